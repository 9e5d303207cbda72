// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The vector that the libraries of Standard Webhooks share, TestWebhookSign in that for Go.
func TestSignatureOfStandardWebhooks(t *testing.T) {
	for _, secret := range []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		key, err := parseSecret(secret)
		if err != nil {
			t.Fatal(err)
		}
		got := http.Header{}
		sign(got, key, Event{
			ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Time: time.Unix(1614265330, 999_999_999), Body: []byte(`{"test": 2432232314}`),
		})
		for name, want := range map[string]string{
			"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
			"webhook-timestamp": "1614265330",
			"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		} {
			if got := got.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

func TestSecretOfTheConfiguration(t *testing.T) {
	of := func(size int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, size)) }
	for secret, ok := range map[string]bool{
		of(24): true, "whsec_" + of(24): true, of(32): true, of(64): true,
		"": false, "whsec_": false, of(23): false, of(65): false, "whsec_" + of(23): false,
		strings.TrimRight(of(32), "="): false, strings.ReplaceAll(of(24), "+", "-"): false, "whsk_" + of(24): false,
		"whsec_whsec_" + of(24): false, "correct horse battery staple, and more": false, "{env.WEBHOOK_SECRET}": false,
	} {
		_, err := New(Config{URL: "https://sms.example.com", Secret: secret})
		if (err == nil) != ok {
			t.Errorf("%q: got %v", secret, err)
		}
	}
}
