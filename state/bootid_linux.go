package state

import (
	"os"
	"strings"
)

// BootID returns an id that differs after each boot of the host, or "" when
// there is none; then a local directory is never used again.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
