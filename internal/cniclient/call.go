package cniclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"golang.org/x/sys/unix"

	"hawser/internal/cniwire"
)

// repeats is how often an agent that died in the middle of a call is asked again.
// A dying process may reset the next connection as well.
const repeats = 3

// Call asks the agent. Every failure is a *cniwire.Error: the agent's own, or
// one that says that the agent cannot be reached and what to do about it. An
// agent that is away for a moment is waited for, except in a STATUS, and one that
// dies in the middle of a call is asked again: all verbs may be repeated.
func Call(ctx context.Context, call cniwire.Call) (*cniwire.Result, error) {
	response, err := ask(ctx, call)
	for again := 0; again < repeats && died(err); again++ {
		response, err = ask(ctx, call)
	}
	switch {
	case err != nil:
		return nil, unreachable(call, err)
	case response.Error != nil:
		return nil, response.Error
	case call.Verb == cniwire.Add && response.Result == nil:
		return nil, unreachable(call, errors.New("its answer has no result"))
	}
	return response.Result, nil
}

// ask makes one HTTP request.
func ask(ctx context.Context, call cniwire.Call) (response cniwire.Response, err error) {
	body, err := json.Marshal(call.Request)
	if err != nil {
		return response, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent"+cniwire.Path(call.Verb), bytes.NewReader(body))
	if err != nil {
		return response, err
	}
	wait := absence
	if call.Verb == cniwire.Status {
		wait = 0
	}
	agent := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dial(ctx, call.Socket, wait)
	}}}
	answer, err := agent.Do(request)
	if err != nil {
		return response, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&response); err != nil {
		return response, fmt.Errorf("its answer (%s) is not one of ours: %w", answer.Status, err)
	}
	return response, nil
}

// died tells whether the agent was there but went before it answered.
func died(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// unreachable asks the runtime to try again: agents come back, after an upgrade
// within seconds. In a STATUS it means that pods cannot be made now.
func unreachable(call cniwire.Call, err error) *cniwire.Error {
	code := cniwire.CodeTryAgainLater
	if call.Verb == cniwire.Status {
		code = cniwire.CodeNotAvailable
	}
	message := "the node agent kube-ovn-cni does not answer at " + call.Socket
	if errors.Is(err, context.DeadlineExceeded) {
		message = fmt.Sprintf("the node agent kube-ovn-cni did not answer within %s", patience)
	}
	return &cniwire.Error{
		Code:    code,
		Message: message,
		Details: fmt.Sprintf("%v; see its pod on this node: kubectl -n kube-system get pods -l app=kube-ovn-cni -o wide", err),
	}
}
