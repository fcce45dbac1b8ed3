package kcl

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/vmware/vmware-go-kcl-v2/logger"
)

func TestDefect23LibraryLogsThroughSlog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))
	l := libraryLog{log}
	quietLogrus(log)
	l.Infof("a line for each read %d", 1)
	l.Errorf("Error in getRecords: %+v", fmt.Errorf("consumer: %w", errWanted))
	l.Errorf("Error in getRecords: %+v", ErrLeaseLost)
	logrus.Error("a renewal that failed")
	if out.Len() != 0 {
		t.Errorf("details are in the log: %s", out.String())
	}
	l.WithFields(logger.Fields{"shard": "a"}).Warnf("slow: %v", 2)
	l.Errorf("Cannot get lease: %+v", errors.New("access denied"))
	want := []string{"level=WARN msg=\"slow: 2\" shard=a", "level=ERROR msg=\"Cannot get lease: access denied\""}
	for _, line := range want {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in\n%s", line, out.String())
		}
	}
	if logrus.StandardLogger().Out == os.Stderr {
		t.Error("the global logrus writes to standard error")
	}
}

// Where the library would end the process it panics, with its reason.
func TestDefect23FatalDoesNotExit(t *testing.T) {
	for name, f := range map[string]func(string, ...any){"fatal": libraryLog{slog.New(slog.DiscardHandler)}.Fatalf, "panic": libraryLog{slog.New(slog.DiscardHandler)}.Panicf} {
		func() {
			defer func() {
				if p := recover(); p != "kcl: no client 7" {
					t.Errorf("%s: panic %v", name, p)
				}
			}()
			f("no client %d", 7)
		}()
	}
}
