package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// The Secrets of the certificates. The first one is what every peer mounts, by
// the keys that the contract names; the second holds the authority's private
// key and is read by the controller alone.
const (
	secretPeers     = "kube-ovn-tls"
	secretAuthority = "kube-ovn-ca"
	keyAuthority    = "cacert"
	keyCertificate  = "cert"
	keyPrivate      = "key"
)

// retryRenewal is how long a renewal that failed waits. Renewals begin months
// before a certificate expires.
const retryRenewal = 10 * time.Minute

// Keeper makes the Secrets and renews them while the process leads.
type Keeper struct {
	API       client.Client // reads past the cache: two Secrets, seldom
	Namespace string
	Interval  time.Duration // renew at least this often; 0 for two thirds of the life

	current atomic.Pointer[tls.Certificate]
}

// Ensure makes sure that valid certificates exist and returns a configuration
// for connecting with them, which follows later renewals.
func (c *Keeper) Ensure(ctx context.Context) (*tls.Config, error) {
	peers, err := c.renew(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	roots, err := poolOf(peers.Data[keyAuthority])
	if err != nil {
		return nil, fmt.Errorf("secret %s/%s: %w", c.Namespace, secretPeers, err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		ServerName: ServerName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}, nil
}

// Keep renews the certificate when its time has come, until the context ends.
func (c *Keeper) Keep(ctx context.Context) {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		peers, err := c.renew(ctx, time.Now())
		if err != nil {
			log.FromContext(ctx).Error(err, "cannot renew the certificates", "retry in", retryRenewal)
			wait = retryRenewal
			continue
		}
		at, err := renewAt(pairOf(peers), c.Interval)
		if err != nil {
			at = time.Now().Add(retryRenewal)
		}
		wait = time.Until(at)
	}
}

// renew returns the peers' Secret, made or renewed if need be.
func (c *Keeper) renew(ctx context.Context, now time.Time) (*corev1.Secret, error) {
	peers, err := c.read(ctx, secretPeers)
	if err != nil {
		return nil, err
	}
	authority, err := c.authority(ctx, now)
	if err != nil {
		return nil, err
	}
	current := pairOf(peers)
	at, err := renewAt(current, c.Interval)
	if err != nil || !now.Before(at) || verify(authority.Certificate, current, now) != nil {
		if current, err = issue(authority, now); err != nil {
			return nil, fmt.Errorf("issuing the certificate of secret %s: %w", secretPeers, err)
		}
		peers.Data = map[string][]byte{keyAuthority: authority.Certificate, keyCertificate: current.Certificate, keyPrivate: current.Key}
		if err := c.write(ctx, peers); err != nil {
			return nil, err
		}
	}
	certificate, err := tls.X509KeyPair(current.Certificate, current.Key)
	if err != nil {
		return nil, fmt.Errorf("secret %s/%s: %w", c.Namespace, secretPeers, err)
	}
	c.current.Store(&certificate)
	return peers, nil
}

// authority reads the authority, or makes it.
func (c *Keeper) authority(ctx context.Context, now time.Time) (pair, error) {
	secret, err := c.read(ctx, secretAuthority)
	if err != nil {
		return pair{}, err
	}
	if found := pairOf(secret); len(found.Certificate) > 0 {
		return found, nil
	}
	made, err := newAuthority(now)
	if err != nil {
		return pair{}, fmt.Errorf("making an authority: %w", err)
	}
	secret.Data = map[string][]byte{keyCertificate: made.Certificate, keyPrivate: made.Key}
	return made, c.write(ctx, secret)
}

// read returns an empty Secret where there is none.
func (c *Keeper) read(ctx context.Context, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: name}}
	err := c.API.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading secret %s/%s: %w", c.Namespace, name, err)
	}
	return secret, nil
}

// write creates a Secret that was not there, or replaces one that is as it was.
func (c *Keeper) write(ctx context.Context, secret *corev1.Secret) error {
	save := func() error { return c.API.Update(ctx, secret) }
	if secret.ResourceVersion == "" {
		save = func() error { return c.API.Create(ctx, secret) }
	}
	if err := save(); err != nil {
		return fmt.Errorf("writing secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return nil
}

func pairOf(secret *corev1.Secret) pair {
	return pair{Certificate: secret.Data[keyCertificate], Key: secret.Data[keyPrivate]}
}
