//go:build !linux

package state

// BootID returns an id that differs after each boot of the host, or "" when
// there is none; then a local directory is never used again.
func BootID() string { return "" }
