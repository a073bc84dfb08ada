package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity is longer than any sandbox lives.
const validity = 10 * 365 * 24 * time.Hour

// authority is the cluster's certificate authority: everybody shows a
// certificate of it, so that a node can be added without restarting anything.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// person is who a certificate is for.
type person struct {
	name   string
	groups []string
	// addresses and names make it a server's certificate too.
	addresses []string
	names     []string
}

// openAuthority reads the authority of a sandbox, or makes it.
func openAuthority(dir string) (authority, error) {
	a := authority{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return a, err
	}
	if _, err := os.Stat(a.path("ca.crt")); err != nil {
		if err := a.found(); err != nil {
			return a, fmt.Errorf("make certificate authority: %w", err)
		}
	}
	certificate, err := readPEM(a.path("ca.crt"))
	if err != nil {
		return a, err
	}
	if a.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return a, err
	}
	key, err := readPEM(a.path("ca.key"))
	if err != nil {
		return a, err
	}
	a.key, err = x509.ParseECPrivateKey(key)
	return a, err
}

func (a authority) path(name string) string { return filepath.Join(a.dir, name) }

// found makes the authority's own pair and the key that signs service account
// tokens; ca.crt comes last, since it says that all are there.
func (a authority) found() error {
	accounts, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := writePEM(a.path("sa.key"), "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(accounts)); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(accounts.Public())
	if err != nil {
		return err
	}
	if err := writePEM(a.path("sa.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	key, err := a.newKey("ca")
	if err != nil {
		return err
	}
	template := certificate(person{name: "hawser-sandbox"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return writePEM(a.path("ca.crt"), "CERTIFICATE", der)
}

// issue makes the pair <file>.crt and <file>.key unless it is there.
func (a authority) issue(file string, p person) error {
	if _, err := os.Stat(a.path(file + ".crt")); err == nil {
		return nil
	}
	key, err := a.newKey(file)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate(p), a.certificate, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("issue certificate for %s: %w", p.name, err)
	}
	return writePEM(a.path(file+".crt"), "CERTIFICATE", der)
}

func (a authority) newKey(file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(a.path(file+".key"), "EC PRIVATE KEY", der)
}

func certificate(p person) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails, crypto/rand says
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: p.name, Organization: p.groups},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:     p.names,
	}
	for _, address := range p.addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	return template
}

// kubeconfig lets whoever the pair <file> is for speak to the API server; all
// is inside it, so that it can be handed on.
func (a authority) kubeconfig(file, server string) ([]byte, error) {
	encoded := map[string]string{}
	for _, name := range []string{"ca.crt", file + ".crt", file + ".key"} {
		content, err := os.ReadFile(a.path(name))
		if err != nil {
			return nil, err
		}
		encoded[name] = base64.StdEncoding.EncodeToString(content)
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: sandbox
contexts: [{name: sandbox, context: {cluster: sandbox, user: %[1]s}}]
clusters: [{name: sandbox, cluster: {server: %[2]q, certificate-authority-data: %[3]s}}]
users: [{name: %[1]s, user: {client-certificate-data: %[4]s, client-key-data: %[5]s}}]
`, file, server, encoded["ca.crt"], encoded[file+".crt"], encoded[file+".key"]), nil
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func readPEM(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file: run 'sandbox down' and then 'sandbox up'", path)
	}
	return block.Bytes, nil
}
