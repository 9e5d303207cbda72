// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The bounds of a key in bytes, from the table in "Signature scheme" of Standard Webhooks 1.0.0.
const (
	minKeySize = 24
	maxKeySize = 64
)

// parseSecret never quotes what it was given, not even what is no secret: it may be one with a typing mistake.
func parseSecret(secret string) ([]byte, error) {
	if secret == "" {
		return nil, errors.New("there is none")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, errors.New("it is not base64, with or without whsec_ before it")
	}
	if len(key) < minKeySize || len(key) > maxKeySize {
		return nil, fmt.Errorf("it has %d bytes, not %d to %d", len(key), minKeySize, maxKeySize)
	}
	return key, nil
}

// sign sets the three headers of Standard Webhooks 1.0.0. What is signed is the bytes of the body as they are sent.
func sign(header http.Header, key []byte, e Event) {
	stamp := strconv.FormatInt(e.Time.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", e.ID, stamp, e.Body)
	header.Set("Webhook-Id", e.ID)
	header.Set("Webhook-Timestamp", stamp)
	header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
