// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// resolver gives the values of settings that may hold placeholders, and the contents of files that they name. What is expanded stays
// out of the exported fields, which Caddy prints in its API, its autosave file and its traces.
type resolver struct {
	expand      func(setting, written, sample string) (string, error)
	authorities func(file string) (*x509.CertPool, error) // nil: those of the system
}

var (
	// expanded is for the start. A placeholder that is not known or is empty is an error: a missing secret must not turn into an empty
	// one. The error names the placeholder and nothing that it stands for.
	expanded = resolver{expand, authorities}

	// asWritten is for the Caddyfile parser, which judges settings on whatever machine. What has a placeholder counts as the sample, which
	// is acceptable, and no file is read.
	asWritten = resolver{sampled, func(string) (*x509.CertPool, error) { return nil, nil }}
)

func expand(setting, written, _ string) (string, error) {
	value, err := caddy.NewReplacer().ReplaceOrErr(written, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	return value, nil
}

func sampled(_, written, sample string) (string, error) {
	if strings.Contains(written, "{") {
		return sample, nil
	}
	return written, nil
}

// authorities reads the certificates of a file in PEM.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return pool, nil
}
