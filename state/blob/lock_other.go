//go:build !unix

package blob

import (
	"context"
	"errors"
	"os"
)

// waitLock refuses: without flock the directory store has no compare-and-swap.
func waitLock(context.Context, *os.File) error {
	return errors.ErrUnsupported
}
