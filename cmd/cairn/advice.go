package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// advise renders an error as one line that says what to do about it.
func advise(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return text + ": the disk is full; make room or choose another --data, then run the same command again: it goes on where it was"
	case errors.Is(err, syscall.EROFS):
		return text + ": the file system is read-only; choose a writable --data"
	case errors.Is(err, context.Canceled):
		return "stopped; what was committed is kept, and the same command goes on from there"
	case errors.Is(err, fs.ErrPermission) && !strings.Contains(text, "make it readable"):
		return text + ": choose a folder that you may write with --data, or change its permissions"
	}
	return text
}

// oneOf says that a value is not among those allowed.
func oneOf(what, got string, allowed ...string) error {
	return usageError{fmt.Errorf("%s must be one of %s, not %q", what, strings.Join(allowed, ", "), got)}
}
