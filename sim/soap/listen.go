// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

func (f *front) listen() (net.Listener, error) {
	if _, err := tls.LoadX509KeyPair(f.conf.Cert, f.conf.Key); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	listener, err := net.Listen("tcp", f.conf.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on '%s': %w", f.conf.Listen, err)
	}
	return listener, nil
}

// serve answers until the listener closes.
func (f *front) serve(listener net.Listener) {
	right, err := tls.LoadX509KeyPair(f.conf.Cert, f.conf.Key)
	if err != nil {
		return
	}
	wrong := &strangers{}
	server := &http.Server{
		Handler:           f.mux,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1, as real servers
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if _, on := f.switches.get("wrong-certificate"); on {
					return wrong.certificate()
				}
				return &right, nil
			},
		},
	}
	server.ServeTLS(listener, "", "")
}

// strangers makes, when first asked, a certificate nobody was told of.
type strangers struct {
	once sync.Once
	cert tls.Certificate
	err  error
}

func (s *strangers) certificate() (*tls.Certificate, error) {
	s.once.Do(func() { s.cert, s.err = selfSigned() })
	return &s.cert, s.err
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "stranger"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
