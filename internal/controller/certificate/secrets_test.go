package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func secret(t *testing.T, api client.Client, name string) *corev1.Secret {
	t.Helper()
	var found corev1.Secret
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: name}, &found); err != nil {
		t.Fatal(err)
	}
	return &found
}

func TestEnsureMakesOnceAndKeeps(t *testing.T) {
	api := fake.NewClientBuilder().Build()
	k := &Keeper{API: api, Namespace: "ns"}
	config, err := k.Ensure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := secret(t, api, secretPeers)
	for _, key := range []string{keyAuthority, keyCertificate, keyPrivate} {
		if len(first.Data[key]) == 0 {
			t.Errorf("no %s", key)
		}
	}
	if bytes.Contains(first.Data[keyAuthority], []byte("PRIVATE")) {
		t.Error("the peers get the authority's key")
	}
	if _, err := (&Keeper{API: api, Namespace: "ns"}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := secret(t, api, secretPeers); again.ResourceVersion != first.ResourceVersion {
		t.Error("written again without need")
	}
	handshake(t, config, first)
}

// handshake connects to a server that has what a peer mounts.
func handshake(t *testing.T, config *tls.Config, peers *corev1.Secret) {
	t.Helper()
	mine, err := tls.X509KeyPair(peers.Data[keyCertificate], peers.Data[keyPrivate])
	if err != nil {
		t.Fatal(err)
	}
	roots, err := poolOf(peers.Data[keyAuthority])
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{mine}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12})
	failed := make(chan error, 1)
	go func() { failed <- server.HandshakeContext(t.Context()) }()
	if err := tls.Client(near, config).HandshakeContext(t.Context()); err != nil {
		t.Errorf("client: %v", err)
	}
	if err := <-failed; err != nil {
		t.Errorf("server: %v", err)
	}
}

func TestRenewalInTime(t *testing.T) {
	api := fake.NewClientBuilder().Build()
	k := &Keeper{API: api, Namespace: "ns"}
	began := time.Now()
	if _, err := k.renew(t.Context(), began); err != nil {
		t.Fatal(err)
	}
	first, authority := secret(t, api, secretPeers), secret(t, api, secretAuthority)
	for _, step := range []struct {
		days    int
		renewed bool
	}{{100, false}, {300, true}, {301, false}} {
		before := secret(t, api, secretPeers)
		if _, err := k.renew(t.Context(), began.Add(time.Duration(step.days)*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		after := secret(t, api, secretPeers)
		if renewed := before.ResourceVersion != after.ResourceVersion; renewed != step.renewed {
			t.Errorf("after %d days: renewed %t", step.days, renewed)
		}
	}
	last := secret(t, api, secretPeers)
	if !bytes.Equal(first.Data[keyAuthority], last.Data[keyAuthority]) || secret(t, api, secretAuthority).ResourceVersion != authority.ResourceVersion {
		t.Error("the authority was changed: peers that have not read the Secret again would be locked out")
	}
}

// A Secret that somebody filled with something else is put right.
func TestForeignCertificateIsReplaced(t *testing.T) {
	broken := &corev1.Secret{Data: map[string][]byte{keyCertificate: []byte("x"), keyPrivate: []byte("y")}}
	broken.Namespace, broken.Name = "ns", secretPeers
	api := fake.NewClientBuilder().WithObjects(broken).Build()
	if _, err := (&Keeper{API: api, Namespace: "ns"}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if verify(secret(t, api, secretPeers).Data[keyAuthority], pairOf(secret(t, api, secretPeers)), time.Now()) != nil {
		t.Error("still broken")
	}
}

func TestFailuresSayWhatFailed(t *testing.T) {
	no := errors.New("no")
	for name, funcs := range map[string]interceptor.Funcs{
		"read": {Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return no
		}},
		"write": {Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return no }},
	} {
		k := &Keeper{API: fake.NewClientBuilder().WithInterceptorFuncs(funcs).Build(), Namespace: "ns"}
		if _, err := k.Ensure(t.Context()); !errors.Is(err, no) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeepRenewsUntilTheEnd(t *testing.T) {
	api := fake.NewClientBuilder().Build()
	k := &Keeper{API: api, Namespace: "ns", Interval: time.Hour + 50*time.Millisecond} // validity begins an hour back
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Keep(ctx) }()
	seen := map[string]bool{}
	for deadline := time.Now().Add(10 * time.Second); len(seen) < 3 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var found corev1.Secret
		if api.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: secretPeers}, &found) == nil {
			seen[found.ResourceVersion] = true
		}
	}
	cancel()
	<-done
	if len(seen) < 3 {
		t.Errorf("renewed %d times", len(seen)-1)
	}
}
