package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// What VersityGW accepts.
const (
	AccessKey = "key"
	SecretKey = "secret"
	S3Region  = "eu-central-1"
)

// versityModule is the gateway at the version that the tests were made with. It is no requirement of go.mod: its own ones would
// become Cairn's.
const (
	versityModule  = "github.com/versity/versitygw/cmd/versitygw"
	versityVersion = "v1.8.0"
)

// VersityGW starts an S3 for the test. With -short the test is skipped. It is skipped too when the program cannot be built,
// which takes a network once, unless CI is "true" in the environment: there it fails.
func VersityGW(t testing.TB) *Emulator {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a program on first use; left out with -short")
	}
	if _, err := installVersityGW(t.Context()); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return runFor(t, NameVersityGW)
}

// installVersityGW builds the program into the user's cache folder unless it is there, and returns its path. Test packages run
// at the same time, so it works under a lock.
func installVersityGW(ctx context.Context) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("install versitygw: %w", err)
	}
	dir := filepath.Join(cache, "cairn-local", "versitygw-"+versityVersion)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("install versitygw: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("install versitygw: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path = filepath.Join(dir, "versitygw")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	return path, buildVersityGW(ctx, dir)
}

// buildVersityGW leaves the program in dir; a build that is cut short leaves none, as the go command renames it into place.
func buildVersityGW(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "install", versityModule+"@"+versityVersion)
	cmd.Dir = dir // not in the checkout, whose go.mod is no concern of it
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s@%s: %w\n%s", versityModule, versityVersion, err, out)
	}
	return nil
}

// startVersityGW tries more than once: it can be told a port only, and one that was free may be taken a moment later.
func startVersityGW(ctx context.Context, name string) (e *Emulator, err error) {
	path, err := installVersityGW(ctx)
	if err != nil {
		return nil, err
	}
	for range 3 {
		if e, err = tryVersityGW(ctx, name, path); err == nil || ctx.Err() != nil {
			break
		}
	}
	return e, err
}

func tryVersityGW(ctx context.Context, name, path string) (*Emulator, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp("", "cairn-versitygw-*")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, "--access", AccessKey, "--secret", SecretKey, "--region", S3Region, "--port", address,
		"--keep-alive", "--quiet", "posix", data)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + data}
	endWithParent(cmd)
	e, err := launch(cmd, name, &output{})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(data))
	}
	e.temp, e.url = data, "http://"+address
	return e.ready(ctx, e.answers)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
