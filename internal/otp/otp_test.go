// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package otp_test

import (
	"bytes"
	"encoding/base32"
	"regexp"
	"testing"
	"time"

	"github.com/nightlatch/nightlatch/internal/otp"
)

// rfcSecret is the shared secret of RFC 4226 appendix D and of the SHA-1 rows
// of RFC 6238 appendix B.
var rfcSecret = []byte("12345678901234567890")

// twinSecret gives the digits 065554 at twinStep and again one step later.
var twinSecret, _ = base32.StdEncoding.DecodeString("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")

const twinStep = 56668234

func at(step int64) time.Time { return time.Unix(step*30, 0) }

func TestRFC4226AppendixD(t *testing.T) {
	for step, want := range []string{
		"755224", "287082", "359152", "969429", "338314",
		"254676", "287922", "162583", "399871", "520489",
	} {
		if got := otp.Code(rfcSecret, int64(step)); got != want {
			t.Errorf("code of counter %d: got %s, want %s", step, got, want)
		}
	}
}

// The RFC prints eight digits; six are the last six of them.
func TestRFC6238AppendixB(t *testing.T) {
	for _, c := range []struct {
		unix int64
		step int64
		want string
	}{
		{59, 0x1, "287082"},
		{1111111109, 0x23523EC, "081804"},
		{1111111111, 0x23523ED, "050471"},
		{1234567890, 0x273EF07, "005924"},
		{2000000000, 0x3F940AA, "279037"},
		{20000000000, 0x27BC86AA, "353130"},
	} {
		now := time.Unix(c.unix, 0)
		if got := otp.Step(now); got != c.step {
			t.Errorf("step at %d: got %#x, want %#x", c.unix, got, c.step)
		}
		if got := otp.Code(rfcSecret, c.step); got != c.want {
			t.Errorf("code at %d: got %s, want %s", c.unix, got, c.want)
		}
		if step, ok := otp.Match(rfcSecret, c.want, now, 1, 0); !ok || step != c.step {
			t.Errorf("match at %d: got %d %t, want %d true", c.unix, step, ok, c.step)
		}
	}
}

func TestNegativeTimeMatchesNothing(t *testing.T) {
	before := time.Unix(-1, 0)
	if got := otp.Step(before); got != -1 {
		t.Errorf("step before the epoch: got %d, want -1", got)
	}
	if got := otp.Code(rfcSecret, -1); got != "" {
		t.Errorf("code of a negative step: got %q, want none", got)
	}
	if step, ok := otp.Match(rfcSecret, otp.Code(rfcSecret, 0), before, 1, -5); ok {
		t.Errorf("match before the epoch: got step %d, want refusal", step)
	}
}

func TestNewSecret(t *testing.T) {
	a, b := otp.NewSecret(), otp.NewSecret()
	if len(a) != otp.SecretSize || len(b) != otp.SecretSize {
		t.Errorf("secret sizes: got %d and %d, want %d", len(a), len(b), otp.SecretSize)
	}
	if bytes.Equal(a, b) || bytes.Equal(a, make([]byte, otp.SecretSize)) {
		t.Errorf("two new secrets: got %x and %x, want two random ones", a, b)
	}
}

func TestOT1SameCodeTwice(t *testing.T) {
	code := otp.Code(rfcSecret, 1000)
	step, ok := otp.Match(rfcSecret, code, at(1000), 1, 0)
	if !ok {
		t.Fatal("first use: got refusal, want a match")
	}
	for _, now := range []int64{1000, 1001} {
		if again, ok := otp.Match(rfcSecret, code, at(now), 1, step); ok {
			t.Errorf("second use at step %d: got step %d, want refusal", now, again)
		}
	}
}

func TestOT3FormattingVariants(t *testing.T) {
	code := otp.Code(rfcSecret, 1000)
	fullWidth := ""
	for _, digit := range code {
		fullWidth += string(digit - '0' + '０')
	}
	if _, ok := otp.Match(rfcSecret, code, at(1000), 1, 0); !ok {
		t.Fatal("the plain code: got refusal, want a match")
	}
	for _, variant := range []string{
		"", " " + code, code + " ", code + "\n", "\n" + code, code + "\r\n", "\t" + code, code + "\x00",
		"\u00a0" + code, code + "\u00a0", code + "\u2003", "\u200b" + code, "\ufeff" + code,
		fullWidth, code[:3] + " " + code[3:], code[:3] + "-" + code[3:], "+" + code, "-" + code,
		"0x" + code, "0" + code, code + "0", code[:5], code[1:], code[:5] + "٣", code[:4] + "é",
	} {
		if step, ok := otp.Match(rfcSecret, variant, at(1000), 1, 0); ok {
			t.Errorf("variant %q: got step %d, want refusal", variant, step)
		}
	}
}

func TestOT4TwinStepsCountOnce(t *testing.T) {
	const digits = "065554"
	for step := int64(twinStep); step <= twinStep+1; step++ {
		if got := otp.Code(twinSecret, step); got != digits {
			t.Fatalf("code of step %d: got %s, want %s", step, got, digits)
		}
	}

	t.Run("accepted at the first twin, replayed as the second", func(t *testing.T) {
		for pastSteps := range 3 {
			last, ok := otp.Match(twinSecret, digits, at(twinStep), pastSteps, 0)
			if !ok || last != twinStep {
				t.Fatalf("past steps %d, first use: got %d %t, want %d true", pastSteps, last, ok, twinStep)
			}
			for now := int64(twinStep); now <= twinStep+3; now++ {
				if step, ok := otp.Match(twinSecret, digits, at(now), pastSteps, last); ok {
					t.Errorf("past steps %d, replay at %d: got step %d, want refusal", pastSteps, now, step)
				}
			}
		}
	})

	t.Run("both in the window burns both", func(t *testing.T) {
		last, ok := otp.Match(twinSecret, digits, at(twinStep+1), 1, twinStep-1)
		if !ok || last != twinStep+1 {
			t.Fatalf("got %d %t, want the newer twin %d", last, ok, twinStep+1)
		}
	})

	t.Run("first twin used, last moved on since", func(t *testing.T) {
		// The older twin was accepted two acceptances ago, as a late code: what
		// last says no longer names it.
		const older, newer = 153567, 153569 // equal digits under rfcSecret
		code := otp.Code(rfcSecret, older)
		if code != otp.Code(rfcSecret, newer) {
			t.Fatal("the vector is wrong: the two steps have different codes")
		}
		if step, ok := otp.Match(rfcSecret, code, at(newer), 1, older+1); ok {
			t.Errorf("got step %d, want refusal", step)
		}
	})

	t.Run("the owner's next code still works", func(t *testing.T) {
		next := otp.Code(twinSecret, twinStep+2)
		if step, ok := otp.Match(twinSecret, next, at(twinStep+2), 1, twinStep); !ok || step != twinStep+2 {
			t.Errorf("got %d %t, want %d true", step, ok, twinStep+2)
		}
	})

	t.Run("far apart, equal digits are a new code", func(t *testing.T) {
		const older, newer = 103424, 103427 // equal digits under rfcSecret
		code := otp.Code(rfcSecret, newer)
		if code != otp.Code(rfcSecret, older) {
			t.Fatal("the vector is wrong: the two steps have different codes")
		}
		if step, ok := otp.Match(rfcSecret, code, at(newer), 1, older); !ok || step != newer {
			t.Errorf("got %d %t, want %d true", step, ok, newer)
		}
	})
}

func TestOT8Window(t *testing.T) {
	const now = 1000
	for _, c := range []struct {
		pastSteps int
		offset    int64
		want      bool
	}{
		{1, -2, false}, {1, -1, true}, {1, 0, true}, {1, 1, false}, {1, 2, false},
		{0, -1, false}, {0, 0, true}, {0, 1, false},
		{3, -4, false}, {3, -3, true}, {3, 1, false},
		{10, -11, false}, {10, -10, true}, {10, 1, false},
		{-1, 0, false}, {11, 0, false}, // no setting outside 0 to 10 exists
	} {
		step, ok := otp.Match(rfcSecret, otp.Code(rfcSecret, now+c.offset), at(now), c.pastSteps, 0)
		if ok != c.want || ok && step != now+c.offset {
			t.Errorf("past steps %d, code of T%+d: got %d %t, want %t", c.pastSteps, c.offset, step-now, ok, c.want)
		}
	}
}

func TestST6ASVS6_5_8ClockStepsBack(t *testing.T) {
	for _, back := range []int64{1, 10, 2880} {
		code := otp.Code(rfcSecret, 5000-back)
		if step, ok := otp.Match(rfcSecret, code, at(5000-back), 1, 5000); ok {
			t.Errorf("clock %d steps back: got step %d, want refusal", back, step)
		}
	}
}

func TestOT17EmptyOrShortSecret(t *testing.T) {
	// The codes at 1970-01-01T08:20:00Z (step 1000) as HMAC-SHA-1 gives them; HMAC
	// pads a short key with zeros, so the empty key, 15 and 20 zero bytes agree.
	zeroCode := otp.Code(make([]byte, otp.SecretSize), 1000)
	if step, ok := otp.Match(make([]byte, otp.MinSecretSize), zeroCode, at(1000), 1, 0); !ok || step != 1000 {
		t.Fatalf("16 zero bytes: got %d %t, want 1000 true: the vector is wrong", step, ok)
	}
	for _, secret := range [][]byte{nil, {}, make([]byte, 10), make([]byte, 15)} {
		if got := otp.Code(secret, 1000); got != "" {
			t.Errorf("code of a %d-byte secret: got %s, want none", len(secret), got)
		}
		for _, code := range []string{zeroCode, ""} {
			if step, ok := otp.Match(secret, code, at(1000), 1, 0); ok {
				t.Errorf("%d-byte secret, code %q: got step %d, want refusal", len(secret), code, step)
			}
		}
	}
}

// FuzzMatch holds Match to its promises for any input: six ASCII digits, a step
// in the window, later than last, with these digits, and never twice.
func FuzzMatch(f *testing.F) {
	f.Add(twinSecret, "065554", int64(twinStep*30), 1, int64(0))
	f.Add(twinSecret, "065554", int64((twinStep+1)*30), 1, int64(twinStep))
	f.Add(rfcSecret, "755224", int64(59), 1, int64(-1))
	f.Add([]byte{}, "328482", int64(1000), 1, int64(0))
	f.Add(rfcSecret, " 755224", int64(0), 0, int64(-1))
	f.Add(rfcSecret, "287082", int64(1<<62), 10, int64(-1<<63))
	shape := regexp.MustCompile(`\A[0-9]{6}\z`)
	f.Fuzz(func(t *testing.T, secret []byte, code string, unix int64, pastSteps int, last int64) {
		now := time.Unix(unix, 0)
		step, ok := otp.Match(secret, code, now, pastSteps, last)
		if !ok {
			if step != 0 {
				t.Errorf("refused with step %d, want 0", step)
			}
			return
		}
		if !shape.MatchString(code) || len(secret) < 16 || otp.Code(secret, step) != code {
			t.Errorf("accepted %q for step %d of a %d-byte secret", code, step, len(secret))
		}
		current := otp.Step(now)
		if step <= last || step > current || step < current-int64(pastSteps) {
			t.Errorf("accepted step %d, last %d, now %d, past steps %d", step, last, current, pastSteps)
		}
		for later := current; later <= current+int64(pastSteps)+1; later++ {
			if again, ok := otp.Match(secret, code, at(later), pastSteps, step); ok {
				t.Errorf("accepted again as step %d after %d", again, step)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	code := otp.Code(rfcSecret, 1000)
	for b.Loop() {
		otp.Match(rfcSecret, code, at(1000), 1, 0)
	}
}
