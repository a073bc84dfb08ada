// Package certificate makes, keeps and renews the certificates by which OVN's
// databases, their clients and the controller know each other: one authority,
// and one certificate that all of them share, as OVN does it. The Secrets are
// the only memory.
package certificate

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

// pair is a certificate and its private key, both in PEM.
type pair struct{ Certificate, Key []byte }

// newAuthority makes a self-signed authority.
func newAuthority(now time.Time) (pair, error) {
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

// issue makes a certificate for both ends of a connection.
func issue(authority pair, now time.Time) (pair, error) {
	issuer, err := tls.X509KeyPair(authority.Certificate, authority.Key)
	if err != nil {
		return pair{}, fmt.Errorf("reading the authority: %w", err)
	}
	key, ok := issuer.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return pair{}, fmt.Errorf("the authority's key is a %T, not ECDSA", issuer.PrivateKey)
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
func sign(template, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("making a key: %w", err)
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return pair{}, fmt.Errorf("making a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		return pair{}, fmt.Errorf("signing a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, fmt.Errorf("writing a key: %w", err)
	}
	return pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// renewAt tells when a certificate should be replaced: when two thirds of its
// life, or of interval if that is shorter and not zero, have passed.
func renewAt(p pair, interval time.Duration) (time.Time, error) {
	leaf, err := leafOf(p)
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

// verify tells whether a certificate was issued by an authority and is valid
// at a time.
func verify(authority []byte, p pair, now time.Time) error {
	roots, err := poolOf(authority)
	if err != nil {
		return err
	}
	leaf, err := leafOf(p)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: now, DNSName: ServerName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// poolOf reads authorities.
func poolOf(authorities []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, errors.New("no authority's certificate is there")
	}
	return pool, nil
}

func leafOf(p pair) (*x509.Certificate, error) {
	read, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	return read.Leaf, nil
}
