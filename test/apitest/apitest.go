// Package apitest runs a real kube-apiserver on a real etcd, on loopback, for
// tests and benchmarks that need the API and nothing else of a cluster. Both
// programs are the ones that the sandbox uses, from its cache.
package apitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hawser/test/rootfs"
)

// adminToken is good for loopback only, where the server listens.
const adminToken = "apitest-admin"

// Server is a running API server.
type Server struct {
	Config     *rest.Config // with all rights
	Kubeconfig string       // the same, as a file
	PID        int          // of kube-apiserver
	EtcdPID    int
	processes  []*exec.Cmd
}

// Programs says where the programs lie: a root file system that holds etcd,
// and the folder with kube-apiserver.
type Programs struct {
	Rootfs, Kubernetes string
}

// Start runs the servers with their state and logs below dir, and returns when
// the API is ready. Stop ends them.
func Start(ctx context.Context, programs Programs, dir string) (*Server, error) {
	s := &Server{Kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := s.start(ctx, programs, dir); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start an API server in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, programs Programs, dir string) error {
	tree, err := rootfs.Open(programs.Rootfs)
	if err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	etcd := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	s.EtcdPID, err = s.run(dir, "etcd", tree.Command("usr/bin/etcd",
		"--data-dir", filepath.Join(dir, "etcd"), "--unsafe-no-fsync", "--logger", "zap",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer))
	if err != nil {
		return err
	}
	if err := writeSecrets(dir); err != nil {
		return err
	}
	s.PID, err = s.run(dir, "kube-apiserver", []string{filepath.Join(programs.Kubernetes, "kube-apiserver"),
		"--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
		"--endpoint-reconciler-type", "none", // which would refuse to publish the loopback
		"--secure-port", fmt.Sprint(ports[2]), "--cert-dir", filepath.Join(dir, "certs"),
		"--token-auth-file", filepath.Join(dir, "tokens.csv"), "--authorization-mode", "AlwaysAllow",
		"--service-account-issuer", "https://apitest", "--service-account-signing-key-file", filepath.Join(dir, "sa.key"),
		"--service-account-key-file", filepath.Join(dir, "sa.key"), "--service-cluster-ip-range", "10.96.0.0/16",
		"--disable-admission-plugins", "ServiceAccount", "--max-requests-inflight", "3000", "--max-mutating-requests-inflight", "1000"})
	if err != nil {
		return err
	}
	s.Config = &rest.Config{Host: fmt.Sprintf("https://127.0.0.1:%d", ports[2]), BearerToken: adminToken,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1}
	if err := s.writeKubeconfig(); err != nil {
		return err
	}
	return s.waitReady(ctx)
}

// Stop ends the servers at once: nothing in them is worth keeping.
func (s *Server) Stop() {
	for _, process := range s.processes {
		_ = process.Process.Kill()
		_ = process.Wait()
	}
	s.processes = nil
}

func (s *Server) run(dir, name string, command []string) (int, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	process := exec.Command(command[0], command[1:]...)
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // none outlives a killed test
	if err := process.Start(); err != nil {
		return 0, err
	}
	s.processes = append(s.processes, process)
	return process.Process.Pid, nil
}

func writeSecrets(dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(filepath.Join(dir, "sa.key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(adminToken+`,admin,admin,"system:masters"`+"\n"), 0o600)
}

func (s *Server) writeKubeconfig() error {
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"apitest": {Server: s.Config.Host, InsecureSkipTLSVerify: true}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"admin": {Token: adminToken}},
		Contexts:       map[string]*clientcmdapi.Context{"apitest": {Cluster: "apitest", AuthInfo: "admin"}},
		CurrentContext: "apitest",
	}, s.Kubeconfig)
}

func (s *Server) waitReady(ctx context.Context) error {
	client, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		body, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil && bytes.Equal(body, []byte("ok")) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready within a minute, see kube-apiserver.log: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // all stay open until the last is chosen, so that they differ
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
