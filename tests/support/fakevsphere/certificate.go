// SPDX-License-Identifier: BSD-3-Clause

package main

// Key pairs that the test has made, and the digests it goes by.

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"strings"
)

type certificate struct {
	pair         tls.Certificate
	sha1, sha256 string // hex with colons
}

func colons(digest []byte) string {
	text := make([]string, len(digest))
	for i, b := range digest {
		text[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(text, ":")
}

func loadCertificate(cert, key string) (*certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	der := pair.Certificate[0]
	one, two := sha1.Sum(der), sha256.Sum256(der)
	return &certificate{pair, colons(one[:]), colons(two[:])}, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.pair}}
}
