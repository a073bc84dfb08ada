package ipam

import (
	"fmt"
	"testing"
)

// BenchmarkChurn releases and allocates in a subnet of which every second
// address is held: the most ranges there can be. The time for one must hardly
// depend on how many there are.
func BenchmarkChurn(b *testing.B) {
	for _, holders := range []int{100, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(holders), func(b *testing.B) {
			r := registry(subnet("s", "10.0.0.0/8 10.0.0.1 fd00::/64 fd00::1"))
			names := make([]string, 2*holders)
			for i := range names {
				names[i] = fmt.Sprintf("pod-%d.default", i)
				get(r, "s", names[i], Request{})
			}
			for i := 0; i < len(names); i += 2 {
				r.Release(names[i])
			}
			b.ResetTimer()
			for i := range b.N {
				name := names[(2*i+1)%len(names)]
				r.Release(name)
				if _, err := r.Allocate("s", name, Request{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRestore is the start of a controller with many pods.
func BenchmarkRestore(b *testing.B) {
	const pods = 10_000
	leases := make([]Lease, pods)
	r := registry(subnet("s", "10.0.0.0/8 10.0.0.1 fd00::/64 fd00::1"))
	for i := range leases {
		leases[i], _ = r.Allocate("s", fmt.Sprint(i), Request{})
	}
	for b.Loop() {
		r := registry(subnet("s", "10.0.0.0/8 10.0.0.1 fd00::/64 fd00::1"))
		for i, lease := range leases {
			if err := r.Restore("s", fmt.Sprint(i), lease); err != nil {
				b.Fatal(err)
			}
		}
	}
}
