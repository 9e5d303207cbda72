// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package badgerstore

import "fmt"

// needed is how many bytes must be free for a write to begin. Badger writes into files that it has mapped and that have holes: where
// the disk has no block for a hole, the write is no error but a SIGBUS, which ends the whole process, with every site in it (DO-11).
// It holds what a memtable, the table that it becomes and one compaction may take.
const needed = 32 << 20

// room refuses to write on a disk that is nearly full. What is there can still be read.
func (s *Store) room() error {
	dir := s.db.Opts().Dir
	if dir == "" {
		return nil
	}
	n, err := s.free(dir)
	if err != nil {
		return fmt.Errorf("asking how full the disk is: %w", err)
	}
	if n < needed {
		return fmt.Errorf("the disk of %s is full: it has %d MiB left and a write needs %d", dir, n>>20, needed>>20)
	}
	return nil
}
