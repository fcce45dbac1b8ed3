package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cairn": main})
}

// TestScripts runs the stories in testdata/script against the real command
// line. Each stands for something that a user meets.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Condition: func(name string) (bool, error) {
			return name == "root" && os.Getuid() == 0, nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"cutgzip": cutGzip},
		RequireExplicitExec: true,
	})
}

// cutGzip FILE writes a log file of a hundred records as gzip and cuts its
// last third off, as a broken download does.
func cutGzip(ts *testscript.TestScript, _ bool, args []string) {
	var plain, packed bytes.Buffer
	plain.WriteString(`{"Records":[`)
	for i := range 100 {
		if i > 0 {
			plain.WriteByte(',')
		}
		sum := sha256.Sum256([]byte{byte(i)})
		fmt.Fprintf(&plain, `{"eventVersion":"1.08","eventID":"%x","eventTime":"2026-03-01T10:01:00Z","eventSource":"s3.amazonaws.com","eventName":"ListBuckets","recipientAccountId":"111122223333"}`, sum)
	}
	plain.WriteString(`]}`)
	z := gzip.NewWriter(&packed)
	_, err := z.Write(plain.Bytes())
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), packed.Bytes()[:packed.Len()*2/3], 0o644))
}

func TestRunWithoutArgumentsShowsHelp(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(&env{ctx: context.Background(), out: &out, err: &errs}, nil); code != exitDone {
		t.Errorf("exit status %d", code)
	}
	for _, command := range []string{"replay", "findings", "resources", "rules", "ddl", "bench", "version"} {
		if !contains(out.String(), command) {
			t.Errorf("the help does not name %s", command)
		}
	}
}
