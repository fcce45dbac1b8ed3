package processor_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mutant is the code with one error in it, of the kind that the commit
// protocol guards against. The tests have to find each of them; one that
// nobody finds is a hole in the tests.
//
//	CAIRN_MUTANTS=1 go test ./processor -run TestMutantsAreFound -v -timeout 0
//	go test ./processor -run TestMutantsAreFound -v -mutant=no-cas
type mutant struct {
	name     string
	file     string // from the top of the repository
	old, new string
	test     []string // arguments of the go test that must fail; nil: the simulation
}

var oneMutant = flag.String("mutant", "", "look for this mutant alone")

// inSimulation are the arguments of a go test of the simulation.
func inSimulation(more ...string) []string {
	return append([]string{"./processor", "-run=^TestSimulation$"}, append([]string{"-sim.seeds=300"}, more...)...)
}

// TestMutantsStand holds the list against the code: each place is there, once.
func TestMutantsStand(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("there are two mutants %s", m.name)
		}
		names[m.name] = true
		text, err := os.ReadFile(filepath.Join("..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: %q stands %d times in %s, want once", m.name, m.old, n, m.file)
		}
		if m.old == m.new {
			t.Errorf("%s changes nothing", m.name)
		}
	}
}

// TestMutantsAreFound runs the tests on each mutant and wants them to fail.
func TestMutantsAreFound(t *testing.T) {
	if os.Getenv("CAIRN_MUTANTS") == "" && *oneMutant == "" {
		t.Skip("set CAIRN_MUTANTS=1: it compiles and tests the code once for each mutant")
	}
	found, all := 0, 0
	for _, m := range mutants {
		if *oneMutant != "" && m.name != *oneMutant {
			continue
		}
		all++
		if how := m.hunt(t); how == "" {
			t.Errorf("%s lives: %v did not fail", m.name, m.arguments())
		} else {
			t.Logf("%s: %s", m.name, how)
			found++
		}
	}
	t.Logf("%d of %d mutants found", found, all)
}

func (m *mutant) arguments() []string {
	if m.test == nil {
		return inSimulation()
	}
	return m.test
}

// hunt runs the test on the mutant. It returns the first complaint, or "" when
// there is none.
func (m *mutant) hunt(t *testing.T) string {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := m.overlay(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// A mutant need not be pretty, but it must compile.
	args := append([]string{"test", "-vet=off", "-count=1", "-timeout=10m", "-overlay=" + overlay}, m.arguments()...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case err == nil && strings.Contains(text, "no tests to run"):
		t.Errorf("%s: go %v runs no test", m.name, args)
		return ""
	case err == nil:
		return ""
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		t.Errorf("%s does not compile: %s", m.name, text)
		return ""
	default:
		return complaint(text)
	}
}

// complaint is the first line of a test's output that says what is wrong.
func complaint(text string) string {
	lines := strings.Split(text, "\n")
	i := slices.IndexFunc(lines, func(l string) bool {
		return strings.Contains(l, "_test.go:") && !strings.Contains(l, "exit status") || strings.HasPrefix(l, "panic") || strings.HasPrefix(l, "fatal")
	})
	if i < 0 {
		return "it failed"
	}
	return strings.TrimSpace(lines[i])
}

// overlay writes the changed file and the note by which the go command takes
// it for the true one.
func (m *mutant) overlay(root, dir string) (string, error) {
	original := filepath.Join(root, m.file)
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed, note := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", err
	}
	return note, os.WriteFile(note, data, 0o600)
}
