// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nightlatch/nightlatch/internal/auth"
)

const methodNames = "email, totp, webhook"

// checkMethod knows the second factors that the global option and rules name.
func checkMethod(word string) error {
	switch auth.Method(word) {
	case auth.TOTP, auth.Email, auth.Webhook:
		return nil
	}
	return fmt.Errorf("unrecognized method '%s'; allowed: %s", word, methodNames)
}

// offers says why a method cannot be used under this configuration.
func (a *App) offers(word string) error {
	switch {
	case auth.Method(word) == auth.Email && a.SMTP == nil:
		return errors.New("method 'email' needs a mail server: add smtp")
	case auth.Method(word) == auth.Webhook && a.Webhook == nil:
		return errors.New("method 'webhook' needs a webhook: add one")
	}
	return nil
}

// checkMethods refuses to offer people what cannot work.
func (a *App) checkMethods() error {
	for i, word := range a.Methods {
		if err := checkMethod(word); err != nil {
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
		list = append(list, auth.Method(word))
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
