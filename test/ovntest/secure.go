package ovntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Secure starts an empty northbound database that listens for TLS on loopback
// too, and gives that endpoint with what a client needs to be let in.
func Secure(t testing.TB) (endpoint string, client *tls.Config, db *Database) {
	t.Helper()
	certificate, key := selfSigned(t)
	dir := folder(t)
	certificateFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certificateFile, "CERTIFICATE", certificate.Raw)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, "PRIVATE KEY", encoded)
	address := freeAddress(t)
	in := installed(t)
	file := filepath.Join(dir, "nb.db")
	in.run(t, "usr/bin/ovsdb-tool", "create", file, Schema(t, "ovn-nb"))
	db = serve(t, "OVN_Northbound", file, []string{
		"pssl:" + address.port + ":" + address.host, "--private-key=" + keyFile, "--certificate=" + certificateFile, "--ca-cert=" + certificateFile,
	})
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	client = &tls.Config{
		RootCAs: roots, ServerName: "ovn",
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}},
	}
	return "ssl:" + net.JoinHostPort(address.host, address.port), client, db
}

// selfSigned makes one certificate that is authority, server and client.
func selfSigned(t testing.TB) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ovn"}, DNSNames: []string{"ovn"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func write(t testing.TB, path, kind string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
}

type hostPort struct{ host, port string }

// freeAddress finds a port of loopback that nobody uses at the moment.
func freeAddress(t testing.TB) hostPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return hostPort{host, port}
}
