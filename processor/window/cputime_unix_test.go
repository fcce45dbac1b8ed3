//go:build unix

package window

import (
	"syscall"
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
