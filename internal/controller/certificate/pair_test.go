package certificate

import (
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestIssuedByAuthority(t *testing.T) {
	authority, err := newAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := newAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := issue(authority, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(authority.Certificate, issued, now.Add(-30*time.Minute)); err != nil {
		t.Errorf("a peer whose clock is half an hour behind refuses: %v", err)
	}
	if err := verify(stranger.Certificate, issued, now); err == nil {
		t.Error("a stranger's authority is taken")
	}
	if err := verify(authority.Certificate, issued, now.Add(366*24*time.Hour)); err == nil {
		t.Error("an expired certificate is taken")
	}
}

func TestRenewAt(t *testing.T) {
	authority, _ := newAuthority(now)
	issued, err := issue(authority, now)
	if err != nil {
		t.Fatal(err)
	}
	at, err := renewAt(issued, 0)
	if err != nil || !at.After(now.Add(200*24*time.Hour)) || !at.Before(now.Add(300*24*time.Hour)) {
		t.Errorf("renewed at %v, %v", at, err)
	}
	if at, _ := renewAt(issued, 48*time.Hour); !at.Equal(now.Add(47 * time.Hour)) {
		t.Errorf("with an interval of 48h renewed at %v", at)
	}
}

func TestMalformed(t *testing.T) {
	bad := pair{Certificate: []byte("no"), Key: []byte("pem")}
	if _, err := issue(bad, now); err == nil {
		t.Error("issued by nobody")
	}
	if _, err := renewAt(bad, 0); err == nil {
		t.Error("renewal of nothing")
	}
	if err := verify([]byte("no"), bad, now); err == nil {
		t.Error("verified nothing")
	}
}
