// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

// Webhook-receiver takes codes from Nightlatch and hands them to an SMS gateway. See docs/webhook.md.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	key     []byte
	gateway = http.Client{Timeout: 3 * time.Second} // done before Nightlatch, which waits 5, tries again
	taken   sync.Map                                // IDs, against sending the same message twice
)

func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || !signed(r.Header, body) {
		http.Error(w, "not from Nightlatch, or not now", http.StatusUnauthorized)
		return
	}
	id := r.Header.Get("webhook-id")
	if _, again := taken.LoadOrStore(id, true); again {
		return // 200: it is on its way
	}
	time.AfterFunc(10*time.Minute, func() { taken.Delete(id) })
	if err := forward(body); err != nil {
		taken.Delete(id) // so that the second try is one
		log.Print(err)
		http.Error(w, "the gateway did not take it", http.StatusBadGateway)
	}
}

// signed tells whether a request is from whoever has the key, and was made within the last minutes.
func signed(header http.Header, body []byte) bool {
	stamp := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", header.Get("webhook-id"), stamp, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.ContainsFunc(strings.Fields(header.Get("webhook-signature")), func(one string) bool {
		return hmac.Equal([]byte(one), []byte(want)) // takes as long wherever they differ
	})
}

// forward is the part to change: what the gateway wants to be told, and how.
func forward(body []byte) error {
	var event struct {
		Data struct{ Destination, Code, Site string }
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	text := event.Data.Code + " is your code for " + event.Data.Site
	answer, err := gateway.PostForm(os.Getenv("GATEWAY_URL"), url.Values{"to": {event.Data.Destination}, "text": {text}})
	if err != nil {
		return fmt.Errorf("asking the gateway: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the gateway answered %d", answer.StatusCode)
	}
	log.Printf("sent a code to %q", event.Data.Destination) // never the code
	return nil
}

func main() {
	var err error
	key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whsec_"))
	if err != nil || len(key) < 24 {
		log.Fatal("WEBHOOK_SECRET is not the secret of the Caddyfile") // an empty key would take what anybody can sign
	}
	listener, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /send", receive)
	log.Print("listening on ", listener.Addr())
	server := http.Server{ReadTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}
