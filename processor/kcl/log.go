package kcl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/sirupsen/logrus"
	"github.com/vmware/vmware-go-kcl-v2/logger"
)

// libraryLog writes the library's log lines to a slog.Logger.
type libraryLog struct{ log *slog.Logger }

var _ logger.Logger = libraryLog{}

func (l libraryLog) Debugf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l libraryLog) Infof(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l libraryLog) Warnf(format string, args ...any)  { l.log.Warn(fmt.Sprintf(format, args...)) }

// Errorf writes an error, unless it tells of a consumer that ended as it was
// asked to, or of what is in the log already.
func (l libraryLog) Errorf(format string, args ...any) {
	level := slog.LevelError
	for _, a := range args {
		if err, ok := a.(error); ok && expected(err) {
			level = slog.LevelDebug
		}
	}
	l.log.Log(context.Background(), level, fmt.Sprintf(format, args...))
}

func expected(err error) bool {
	for _, known := range []error{errWanted, errReleased, errClosing, errFailed, ErrLeaseLost} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// Fatalf does not end the process: the library calls it only when it has to make
// its own clients, and it is given ours.
func (l libraryLog) Fatalf(format string, args ...any) { l.Panicf(format, args...) }

// Panicf logs and panics.
func (l libraryLog) Panicf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
	panic("kcl: " + fmt.Sprintf(format, args...))
}

// WithFields adds fields to all lines of the result.
func (l libraryLog) WithFields(fields logger.Fields) logger.Logger {
	log := l.log
	for k, v := range fields {
		log = log.With(k, v)
	}
	return libraryLog{log}
}

// logrusHook takes the lines that the library writes to logrus directly.
type logrusHook struct{ log *slog.Logger }

func (logrusHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire writes a line at the level of detail: what matters of it is told by the
// leases themselves.
func (h logrusHook) Fire(e *logrus.Entry) error {
	h.log.Debug(e.Message)
	return nil
}

// quietLogrus turns the global logrus, which the library uses in places, away
// from standard error. It is a setting of the process.
func quietLogrus(log *slog.Logger) {
	std := logrus.StandardLogger()
	std.SetOutput(io.Discard)
	std.ReplaceHooks(logrus.LevelHooks{})
	std.AddHook(logrusHook{log})
}
