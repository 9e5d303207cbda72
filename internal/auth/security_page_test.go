// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// page reads docs/security.md.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tables are the rows of all tables of a page, by their first cell.
func tables(page string) map[string][]string {
	rows := map[string][]string{}
	for line := range strings.Lines(page) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) > 1 && strings.HasPrefix(line, "|") {
			cells[0] = strings.TrimPrefix(cells[0], "| ")
			cells[len(cells)-1] = strings.TrimSuffix(cells[len(cells)-1], " |")
			rows[cells[0]] = cells[1:]
		}
	}
	return rows
}

// inWords is a time as the page writes it.
func inWords(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func leak(most int, every time.Duration) string {
	return fmt.Sprintf("%d, and one more every %s", most, inWords(every))
}

// ASVS 6.1.1: the counters that docs/security.md promises are those that there are.
func TestASVS6_1_1CountersAreAsDocumented(t *testing.T) {
	rows := tables(page(t))
	wait := fmt.Sprintf("wait after %d, stop at %d", freeTries, stopAt)
	for counter, limit := range map[string]string{
		"password of a name":                         wait,
		"password of a name in a network":            wait,
		"password of a name in a known browser":      wait,
		"codes of a person, by method":               wait,
		"failures in a network":                      leak(leakTries, leakEvery),
		"failures in an IPv6 /48":                    leak(wideFactor*leakTries, leakEvery/wideFactor),
		"wrong sent codes in one sign-in":            fmt.Sprint(sentTries),
		"sending again in one sign-in":               leak(1, resendAfter),
		"messages to a person":                       leak(sendMost, sendEvery),
		"messages to a destination":                  leak(sendMost, sendEvery),
		"messages for a network":                     leak(sendNetMost, sendNetEvery),
		"messages in all":                            leak(sendAllMost, sendAllEvery),
		"notices of sign-ins to a person":            leak(noticeMost, noticeEvery),
		"codes that confirm, of a person, by method": wait,
		"reset links to an address":                  leak(sendMost, sendEvery),
		"reset links of a person":                    leak(resetMost, resetEvery),
		"resets for a network":                       leak(resetNetMost, resetNetEvery),
		"resets in all":                              leak(resetAllMost, resetAllEvery),
		"step-ups of a session":                      leak(leakTries, leakEvery),
		"hand-overs of a session":                    leak(leakTries, leakEvery),
		"new backup codes of a person":               leak(newCodesMost, newCodesEvery),
		"changes by a session":                       leak(leakTries, leakEvery),
		"refreshes of a session":                     leak(leakTries, leakEvery),
		"enrollments begun by a person":              leak(leakTries, leakEvery),
	} {
		row := rows[counter]
		if len(row) != 3 {
			t.Errorf("%s: the page has no row of four cells: %q", counter, row)
			continue
		}
		if row[1] != limit {
			t.Errorf("%s: the page says %q, want %q", counter, row[1], limit)
		}
	}
	if got, want := rows["password of a name"], inWords(counterLife)+" after the last failure"; len(got) < 3 || !strings.HasPrefix(got[2], want) {
		t.Errorf("the password's counter: the page says %q, want that it is forgotten %s", got, want)
	}
}

// ASVS 7.1.1, 7.1.2: the limits of sessions that the page promises are those of a configuration that says nothing.
func TestASVS7_1_1ASVS7_1_2LimitsOfSessionsAreAsDocumented(t *testing.T) {
	rows := tables(page(t))
	for limit, want := range map[string]string{
		"ends after the last request":                            inWords(DefaultSettings.Idle),
		"ends after the sign-in":                                 inWords(DefaultSettings.Lifetime),
		`"Keep me signed in"`:                                    inWords(DefaultSettings.Remember) + ", both limits",
		"sudo mode, and a first enrollment in a running session": inWords(SudoAge),
		"sessions of one person at a time":                       fmt.Sprint(maxSessions),
		"trusted browser":                                        "off",
	} {
		if got := rows[limit]; len(got) != 2 || got[0] != want {
			t.Errorf("%s: the page says %q, want %q", limit, got, want)
		}
	}
	if SudoAge != enrollAge || DefaultSettings.Trust != 0 {
		t.Errorf("sudo mode lasts %v and a password is fresh for an enrollment for %v; a browser is trusted for %v: the page says the same, and off", SudoAge, enrollAge, DefaultSettings.Trust)
	}
}

// The other numbers of the page stand in its sentences.
func TestSecurityPageSaysTheNumbers(t *testing.T) {
	text := strings.Join(strings.Fields(page(t)), " ")
	for _, sentence := range []string{
		fmt.Sprintf("after %d of them the next try has to wait %s, then double with each further failure, up to %s, and after %d nothing is tried any more",
			freeTries, inWords(firstWait), inWords(longestWait), stopAt),
		fmt.Sprintf("finished a sign-in within %s is known to be theirs, the last %d of them", inWords(BrowserLife), knownMost),
		fmt.Sprintf("Of people who share an address the first %d get a link", resetPeople),
		fmt.Sprintf("when %d such questions wait already, everybody gets 503", maxTasks),
		fmt.Sprintf("with a queue of %d; then the answer is 503", hashQueue),
		fmt.Sprintf("at most %d factors of one method, %d sessions, %d trusted browsers, %d app passwords. A sign-in in progress lasts %s",
			maxFactors, maxSessions, maxTrusted, MaxAccessKeys, inWords(attemptLife)),
		fmt.Sprintf("%d random bits that never change", keyRandomSize*8),
		fmt.Sprintf("| app password that a person makes | %s | %d to %s, as the person says",
			inWords(AccessKeyLife), days(MinAppPasswordLife), inWords(MaxAppPasswordLife)),
		fmt.Sprintf("| app password or service token that an operator makes | %s | at most %s |", inWords(AccessKeyLife), inWords(MaxServiceTokenLife)),
		fmt.Sprintf("6 random digits, %s, %d tries", inWords(sentCodeLife), sentTries),
		fmt.Sprintf("%d random bits, each works once", backupCodeBytes*8),
		fmt.Sprintf("a link of %s from the server's log", inWords(linkLife[SetupLink])),
		fmt.Sprintf("a link of %s from an operator; the person chooses", inWords(linkLife[InviteLink])),
		fmt.Sprintf("a link of %s from an operator, **and** the password", inWords(linkLife[ReenrollLink])),
		fmt.Sprintf("a link of %s in the mailbox", inWords(linkLife[ResetLink])),
		fmt.Sprintf("a cookie of %d random bits", secretSize*8),
	} {
		if !strings.Contains(text, sentence) {
			t.Errorf("the page does not say: %s", sentence)
		}
	}
}
