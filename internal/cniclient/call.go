package cniclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"hawser/internal/cniwire"
)

// Call asks the agent. Every failure is a *cniwire.Error: the agent's own, or
// one that says that the agent cannot be reached and what to do about it.
func Call(ctx context.Context, call cniwire.Call) (*cniwire.Result, error) {
	body, err := json.Marshal(call.Request)
	if err != nil {
		return nil, unreachable(call, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent"+cniwire.Path(call.Verb), bytes.NewReader(body))
	if err != nil {
		return nil, unreachable(call, err)
	}
	agent := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", call.Socket)
	}}}
	answer, err := agent.Do(request)
	if err != nil {
		return nil, unreachable(call, err)
	}
	defer answer.Body.Close()
	var response cniwire.Response
	if err := json.NewDecoder(answer.Body).Decode(&response); err != nil {
		return nil, unreachable(call, fmt.Errorf("its answer (%s) is not one of ours: %w", answer.Status, err))
	}
	if response.Error != nil {
		return nil, response.Error
	}
	if call.Verb == cniwire.Add && response.Result == nil {
		return nil, unreachable(call, fmt.Errorf("its answer (%s) has no result", answer.Status))
	}
	return response.Result, nil
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
