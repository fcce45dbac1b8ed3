//go:build unix

package baseline

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is the CPU time of the process: on a busy machine only it can be
// compared.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spent reports what an operation costs from here to the call of the result.
func spent(b *testing.B) func() {
	b.ReportAllocs()
	b.ResetTimer()
	used := cpuTime()
	return func() { b.ReportMetric(float64(cpuTime()-used)/float64(b.N), "cpu-ns/op") }
}
