package crew

import (
	"context"
	"errors"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

func TestAllEndWithTheFirstThatFails(t *testing.T) {
	broken := errors.New("broken")
	var c Crew
	ended := make(chan struct{})
	waits := manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		close(ended)
		return nil
	})
	fails := manager.RunnableFunc(func(context.Context) error { return broken })
	if err := errors.Join(c.Add(waits), c.Add(fails)); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
	<-ended
}

func TestEndsWithItsContext(t *testing.T) {
	var c Crew
	if err := c.Add(manager.RunnableFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Start(ctx); err != nil {
		t.Errorf("ended with %v", err)
	}
}
