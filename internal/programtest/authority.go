// SPDX-FileCopyrightText: The Nightlatch authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package programtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
)

// Authority is whose certificates the program has for sites of this machine. It is made in the directory of the program while that runs
// already, so there may be none for a moment.
func Authority(dir string) (*x509.CertPool, error) {
	root, err := os.ReadFile(filepath.Join(dir, "caddy", "pki", "authorities", "local", "root.crt"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(root) {
		return nil, errors.New("the certificate of the program's authority cannot be read")
	}
	return trusted, nil
}

// SpeaksTLS tells whether the program has a certificate of its authority for a site, at the address where it listens. Caddy gets them after it
// has said that it serves.
func SpeaksTLS(dir, addr, site string) bool {
	trusted, err := Authority(dir)
	if err != nil {
		return false
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: site, RootCAs: trusted})
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
