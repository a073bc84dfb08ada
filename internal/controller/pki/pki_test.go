package pki

import (
	"testing"
	"time"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestIssuedByAuthority(t *testing.T) {
	authority, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := Issue(authority, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(authority.Certificate, pair, now.Add(-30*time.Minute)); err != nil {
		t.Errorf("a peer whose clock is half an hour behind refuses: %v", err)
	}
	if err := Verify(stranger.Certificate, pair, now); err == nil {
		t.Error("a stranger's authority is taken")
	}
	if err := Verify(authority.Certificate, pair, now.Add(366*24*time.Hour)); err == nil {
		t.Error("an expired certificate is taken")
	}
}

func TestRenewAt(t *testing.T) {
	authority, _ := NewAuthority(now)
	pair, err := Issue(authority, now)
	if err != nil {
		t.Fatal(err)
	}
	at, err := RenewAt(pair, 0)
	if err != nil || !at.After(now.Add(200*24*time.Hour)) || !at.Before(now.Add(300*24*time.Hour)) {
		t.Errorf("renewed at %v, %v", at, err)
	}
	if at, _ := RenewAt(pair, 48*time.Hour); !at.Equal(now.Add(47 * time.Hour)) {
		t.Errorf("with an interval of 48h renewed at %v", at)
	}
}

func TestMalformed(t *testing.T) {
	bad := Pair{Certificate: []byte("no"), Key: []byte("pem")}
	if _, err := Issue(bad, now); err == nil {
		t.Error("issued by nobody")
	}
	if _, err := RenewAt(bad, 0); err == nil {
		t.Error("renewal of nothing")
	}
	if err := Verify([]byte("no"), bad, now); err == nil {
		t.Error("verified nothing")
	}
}
