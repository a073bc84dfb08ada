// Package pki makes the certificates by which OVN's databases, their clients
// and the controller know each other: one authority, and one certificate that
// all of them share, as OVN does it. It computes; where keys are kept and when
// they are renewed is the caller's business.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// ServerName is the name in every certificate. Peers are reached by addresses
// that come and go, so a client that checks names asks for this one.
const ServerName = "ovn"

// Lifetimes, as of RFC 5280 validity.
const (
	authorityLifetime   = 10 * 365 * 24 * time.Hour
	certificateLifetime = 365 * 24 * time.Hour
	// skew is how far behind a peer's clock may be.
	skew = time.Hour
)

// Pair is a certificate and its private key, both in PEM.
type Pair struct{ Certificate, Key []byte }

// NewAuthority makes a self-signed authority.
func NewAuthority(now time.Time) (Pair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kube-ovn authority"},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return sign(template, nil, nil)
}

// Issue makes a certificate for both ends of a connection.
func Issue(authority Pair, now time.Time) (Pair, error) {
	issuer, err := tls.X509KeyPair(authority.Certificate, authority.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("reading the authority: %w", err)
	}
	key, ok := issuer.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return Pair{}, fmt.Errorf("the authority's key is a %T, not ECDSA", issuer.PrivateKey)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: ServerName},
		DNSNames:    []string{ServerName},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(certificateLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return sign(template, issuer.Leaf, key)
}

// sign makes a key and has it certified; without an issuer by itself.
func sign(template, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making a key: %w", err)
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return Pair{}, fmt.Errorf("making a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		return Pair{}, fmt.Errorf("signing a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("writing a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// RenewAt tells when a certificate should be replaced: when two thirds of its
// life, or of interval if that is shorter and not zero, have passed.
func RenewAt(pair Pair, interval time.Duration) (time.Time, error) {
	leaf, err := leafOf(pair)
	if err != nil {
		return time.Time{}, err
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	wait := life * 2 / 3
	if interval > 0 {
		wait = min(wait, interval)
	}
	return leaf.NotBefore.Add(wait), nil
}

// Verify tells whether a certificate was issued by an authority and is valid
// at a time.
func Verify(authority []byte, pair Pair, now time.Time) error {
	roots, err := Pool(authority)
	if err != nil {
		return err
	}
	leaf, err := leafOf(pair)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: now, DNSName: ServerName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// Pool reads authorities.
func Pool(authorities []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, errors.New("no authority's certificate is there")
	}
	return pool, nil
}

func leafOf(pair Pair) (*x509.Certificate, error) {
	read, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	return read.Leaf, nil
}
