// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nightlatch/nightlatch/internal/auth"
)

// methods are the words for second factors, in the global option and in rules.
var methods = map[string]auth.Method{"totp": auth.TOTP, "email": auth.Email, "webhook": auth.Webhook}

func methodNames() string { return strings.Join(slices.Sorted(maps.Keys(methods)), ", ") }

func method(word string) (auth.Method, error) {
	m, ok := methods[word]
	if !ok {
		return "", fmt.Errorf("unrecognized method '%s'; allowed: %s", word, methodNames())
	}
	return m, nil
}

// offers says why a method cannot be used under this configuration.
func (a *App) offers(word string) error {
	switch {
	case methods[word] == auth.Email && a.SMTP == nil:
		return errors.New("method 'email' needs a mail server: add smtp")
	case methods[word] == auth.Webhook && a.Webhook == nil:
		return errors.New("method 'webhook' needs a webhook: add one")
	}
	return nil
}

// checkMethods refuses to offer people what cannot work.
func (a *App) checkMethods() error {
	for i, word := range a.Methods {
		if _, err := method(word); err != nil {
			return err
		}
		if slices.Contains(a.Methods[:i], word) {
			return fmt.Errorf("method '%s' is named twice", word)
		}
		if err := a.offers(word); err != nil {
			return err
		}
	}
	return nil
}

// enrollable are the methods that people may enroll.
func (a *App) enrollable() (list []auth.Method) {
	for _, word := range a.Methods {
		list = append(list, methods[word])
	}
	if list != nil {
		return list
	}
	list = []auth.Method{auth.TOTP}
	if a.SMTP != nil {
		list = append(list, auth.Email)
	}
	if a.Webhook != nil {
		list = append(list, auth.Webhook)
	}
	return list
}
