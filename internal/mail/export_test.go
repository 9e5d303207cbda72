// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package mail

import "time"

// Within is a Sender like this one whose deliveries end earlier, for a test that waits for the end.
func (s *Sender) Within(d time.Duration) *Sender {
	quick := *s
	quick.timeout = d
	return &quick
}
