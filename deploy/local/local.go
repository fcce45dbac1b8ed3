// Package local lets tests check Cairn's output with programs that share no code with it: two other readers of Parquet,
// an SQL engine and the grammars of Hive and Trino. And it starts emulators of the services that Cairn talks to: Kinesis,
// DynamoDB, SQS and SNS; see Start. They are npm packages, pinned in package.json beside this file and installed into
// node_modules on first use. The scripts that drive them stand here too, each with its use at its top.
//
// Tests import this package, and cairn-local, which starts emulators for people. They need node (20 or later) and npm; with -short they skip.
package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// module is the line of go.mod by which Dir recognises Cairn's own module.
const module = "module github.com/cairnstream/cairn"

// stampName is a file inside node_modules, written last: it holds the fingerprint of what was installed. `npm ci` removes
// node_modules first, so an install that was cut short leaves no stamp.
const stampName = ".cairn-stamp"

// Dir returns the folder deploy/local of the checkout that holds the working directory. The sources may stand elsewhere than
// where they were compiled (-trimpath), so the working directory is what decides; `go test` sets it to the package's folder.
func Dir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find deploy/local: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), module+"\n") {
			return filepath.Join(dir, "deploy", "local"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find deploy/local: %s is in no checkout of Cairn", wd)
		}
	}
}

// Require returns when the npm packages are installed. With -short it skips the test; when node, npm or a package is missing
// it fails it, because a check that quietly does not run is none.
func Require(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs node; left out with -short")
	}
	if _, err := Install(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Install makes node_modules match package-lock.json and returns deploy/local. It does nothing when the stamp says that
// this was done before. Test packages run at the same time, so the work is done under a lock on package-lock.json, a file
// that `npm ci` reads and never writes.
func Install(ctx context.Context) (dir string, err error) {
	dir, err = Dir()
	if err != nil {
		return "", err
	}
	if err := lookPrograms(); err != nil {
		return "", err
	}
	return dir, install(ctx, dir)
}

func lookPrograms() error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not on the PATH: install Node.js 20 or later with npm (Debian: apt-get install nodejs npm), or run the tests with -short: %w", program, err)
		}
	}
	return nil
}

func install(ctx context.Context, dir string) (err error) {
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("install npm packages: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	// The lock goes when the file is closed, also when the process is killed.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	want, err := fingerprint(dir)
	if err != nil {
		return fmt.Errorf("install npm packages: %w", err)
	}
	stamp := filepath.Join(dir, "node_modules", stampName)
	have, err := os.ReadFile(stamp)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("install npm packages: %w", err)
	}
	if string(have) == want {
		return nil
	}
	if err := npmCI(ctx, dir); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// fingerprint covers the two files that decide what npm installs, and the platform, for which it picks native parts.
func fingerprint(dir string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
	}
	return fmt.Sprintf("%s/%s %s", runtime.GOOS, runtime.GOARCH, hex.EncodeToString(sum.Sum(nil))), nil
}

// npmCI runs no install scripts: none of the packages needs one, and a test should not run strangers' programs unasked. The lock
// file lists DuckDB's native part for every platform, since `npm ci` refuses a lock file with gaps and npm install records only
// the parts that it could look at.
func npmCI(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	return nil
}

// Node runs a script of deploy/local and returns its standard output. It installs the npm packages first if need be. The error
// of a script that fails holds what it wrote to standard error.
func Node(ctx context.Context, script string, args ...string) ([]byte, error) {
	return run(ctx, nil, script, args...)
}

func run(ctx context.Context, input []byte, script string, args ...string) ([]byte, error) {
	dir, err := Install(ctx)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(dir, script)}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("node %s: %w\n%s", script, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}
