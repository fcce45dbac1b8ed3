package kcl

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
)

// defects is how many of them are known.
const defects = 24

// tests returns the names of the tests of this package.
func tests(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		code, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(code), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// README.md lists each defect of the library with tests that there are, and each
// test of a defect.
func TestTableOfDefects(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	there := tests(t)
	named := regexp.MustCompile("`(Test\\w+)(…?)`")
	for _, m := range named.FindAllStringSubmatch(string(text), -1) {
		known := slices.Contains(there, m[1])
		if m[2] != "" {
			known = slices.ContainsFunc(there, func(name string) bool { return strings.HasPrefix(name, m[1]) })
		}
		if !known {
			t.Errorf("README.md names %s, which this package does not have", m[0])
		}
	}
	row := regexp.MustCompile(`(?m)^\| ([\d, ]+) \|.*\| ([^|]*) \|$`)
	held := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		for _, n := range strings.Split(m[1], ", ") {
			held[fmt.Sprintf("%02s", n)] = m[2]
		}
	}
	for n := 1; n <= defects; n++ {
		if number := fmt.Sprintf("%02d", n); !named.MatchString(held[number]) {
			t.Errorf("defect %s has no test in README.md", number)
		}
	}
	if len(held) != defects {
		t.Errorf("%d defects in README.md, want %d", len(held), defects)
	}
	for _, name := range there {
		if strings.HasPrefix(name, "TestDefect") && !mentioned(name, held) {
			t.Errorf("README.md does not name %s with its defect", name)
		}
	}
}

// mentioned tells whether a test stands in the row of each defect that its name
// has.
func mentioned(name string, held map[string]string) bool {
	prefix := regexp.MustCompile(`^TestDefect\d\d((And|To)\d\d)*`).FindString(name)
	for _, number := range regexp.MustCompile(`\d\d`).FindAllString(prefix, -1) {
		if !strings.Contains(held[number], "`"+name+"`") && !strings.Contains(held[number], "`TestDefect"+number+"…`") {
			return false
		}
	}
	return prefix != ""
}

// Settings that have no effect are left as they are: nothing of Cairn relies on
// them.
func TestDefect24DeadSettingsAreLeft(t *testing.T) {
	w, err := New(Config{App: "a", Stream: "s", Worker: "w", Kinesis: kinesisAt("http://127.0.0.1:1"), DynamoDB: dynamodb.New(dynamodb.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	ours := reflect.ValueOf(*w.settings("arn"))
	theirs := reflect.ValueOf(*config.NewKinesisClientLibConfig("a", "s", "r", "w"))
	for _, name := range []string{
		"ShutdownGraceMillis", "TaskBackoffTimeMillis", "MaxLeasesToStealAtOneTime", "CleanupTerminatedShardsBeforeExpiry",
		"ValidateSequenceNumberBeforeCheckpointing", "SkipShardSyncAtWorkerInitializationIfLeasesExist", "LeaseStealingClaimTimeoutMillis",
		"LeaseSyncingTimeIntervalMillis", "InitialLeaseTableReadCapacity", "InitialLeaseTableWriteCapacity",
	} {
		if a, b := ours.FieldByName(name), theirs.FieldByName(name); !a.Equal(b) {
			t.Errorf("%s is set to %v", name, a)
		}
	}
}
