// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package otp_test

import "testing"

// layouts holds, for level M, what ISO/IEC 18004 tables 9 and E.1 say of the
// versions our addresses need: codewords of error correction per block, the
// data codewords of each block, and the centers of alignment patterns.
var layouts = map[int]struct {
	correction int
	blocks     []int
	centers    []int
}{
	6:  {16, []int{27, 27, 27, 27}, []int{6, 34}},
	7:  {18, []int{31, 31, 31, 31}, []int{6, 22, 38}},
	8:  {22, []int{38, 38, 39, 39}, []int{6, 24, 42}},
	9:  {22, []int{36, 36, 36, 37, 37}, []int{6, 26, 46}},
	10: {26, []int{43, 43, 43, 43, 44}, []int{6, 28, 50}},
}

var masks = [8]func(row, column int) bool{
	func(r, c int) bool { return (r+c)%2 == 0 },
	func(r, _ int) bool { return r%2 == 0 },
	func(_, c int) bool { return c%3 == 0 },
	func(r, c int) bool { return (r+c)%3 == 0 },
	func(r, c int) bool { return (r/2+c/3)%2 == 0 },
	func(r, c int) bool { return r*c%2+r*c%3 == 0 },
	func(r, c int) bool { return (r*c%2+r*c%3)%2 == 0 },
	func(r, c int) bool { return ((r+c)%2+r*c%3)%2 == 0 },
}

// readQR reads a level M, byte mode code from its modules as a phone would,
// short of error correction: a rendered code has no errors to correct. It is
// written from the standard, not from the encoder, so it judges both.
func readQR(t *testing.T, modules [][]bool) string {
	t.Helper()
	side := len(modules)
	version := (side - 17) / 4
	layout, known := layouts[version]
	if !known {
		t.Fatalf("QR version %d is not in the table", version)
	}

	format := 0 // the five bits beside the top left finder, masked with 10101
	for column := range 5 {
		format = format<<1 | bit(modules[8][column])
	}
	format ^= 0b10101
	if level := format >> 3; level != 0 {
		t.Fatalf("error correction level %02b, want 00 (M)", level)
	}
	mask := masks[format&7]

	var bits []int
	for right, up := side-1, true; right > 0; right, up = right-2, !up {
		if right == 6 {
			right-- // the vertical timing pattern shifts the pairs
		}
		for i := range side {
			row := i
			if up {
				row = side - 1 - i
			}
			for _, column := range []int{right, right - 1} {
				if !reserved(row, column, side, version, layout.centers) {
					bits = append(bits, bit(modules[row][column] != mask(row, column)))
				}
			}
		}
	}
	next := 0
	take := func(n int) (value int) {
		for range n {
			value = value<<1 | bits[next]
			next++
		}
		return value
	}

	// Codewords are dealt to the blocks in turn; shorter blocks sit out the last.
	data := make([][]int, len(layout.blocks))
	for i := range layout.blocks[len(layout.blocks)-1] {
		for b, size := range layout.blocks {
			if i < size {
				data[b] = append(data[b], take(8))
			}
		}
	}
	if rest := len(bits) - next - 8*layout.correction*len(layout.blocks); rest < 0 || rest > 7 {
		t.Fatalf("version %d leaves %d bits after error correction, want 0 to 7", version, rest)
	}
	bits, next = bits[:0], 0
	for _, block := range data {
		for _, codeword := range block {
			for shift := 7; shift >= 0; shift-- {
				bits = append(bits, codeword>>shift&1)
			}
		}
	}
	if mode := take(4); mode != 0b0100 {
		t.Fatalf("mode %04b, want 0100 (bytes)", mode)
	}
	lengthBits := 8
	if version >= 10 {
		lengthBits = 16
	}
	text := make([]byte, take(lengthBits))
	for i := range text {
		text[i] = byte(take(8))
	}
	return string(text)
}

// reserved reports whether a module belongs to a pattern instead of the data.
func reserved(row, column, side, version int, centers []int) bool {
	switch {
	case row == 6 || column == 6: // timing
		return true
	case row < 9 && (column < 9 || column >= side-8), row >= side-8 && column < 9: // finders, format
		return true
	case version >= 7 && (row < 6 && column >= side-11 || column < 6 && row >= side-11): // version
		return true
	}
	last := centers[len(centers)-1]
	for _, r := range centers {
		for _, c := range centers {
			corner := r == 6 && c == 6 || r == 6 && c == last || r == last && c == 6
			if !corner && row >= r-2 && row <= r+2 && column >= c-2 && column <= c+2 {
				return true
			}
		}
	}
	return false
}

func bit(dark bool) int {
	if dark {
		return 1
	}
	return 0
}
