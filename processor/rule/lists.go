package rule

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// list is the values behind a %name% of rules.
type list struct {
	name    string
	file    string   // that it was read from, or where it is given
	hash    string   // 12 hex digits of the SHA-256 of the file
	columns []string // names of what stands beside a value; none in most lists
	entries []listEntry
	tests   map[string]*listTest // by the modifiers that they were compiled for
}

// listEntry is a value, where it stands, and what stands beside it.
type listEntry struct {
	value  string
	line   int
	beside []string // by the list's columns; may be shorter
}

// givenList is a list that comes from no file.
func givenList(name string, values []string) *list {
	l := &list{name: name, file: "list " + name, hash: listHash([]byte(strings.Join(values, "\n")))}
	for i, v := range values {
		l.entries = append(l.entries, listEntry{value: v, line: i + 1})
	}
	return l
}

func listHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

// listFolder reads the lists of a folder: one value a line in .txt, the first
// column of .csv, an array in .json.
func (l *loader) listFolder(source fs.FS, dir string) {
	entries, err := fs.ReadDir(source, dir)
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("read the lists in %s: %w", yamlat.Shown(source, dir), err))
		return
	}
	for _, e := range entries {
		name, ext, _ := strings.Cut(e.Name(), ".")
		if e.IsDir() || ext != "txt" && ext != "csv" && ext != "json" {
			continue
		}
		list, err := readList(source, path.Join(dir, e.Name()), name, ext)
		if err != nil {
			l.problems = append(l.problems, err)
			continue
		}
		if len(list.entries) == 0 {
			l.report.Warnings = append(l.report.Warnings, fmt.Sprintf("%s: the list is empty, so nothing is in it", list.file))
		}
		if _, fixed := l.override[name]; !fixed {
			l.lists[name] = list
		}
	}
}

func readList(source fs.FS, file, name, ext string) (*list, error) {
	data, err := fs.ReadFile(source, file)
	file = yamlat.Shown(source, file)
	if err != nil {
		return nil, fmt.Errorf("read the list %s: %w", file, err)
	}
	l := &list{name: name, file: file, hash: listHash(data)}
	switch ext {
	case "csv":
		return l, l.csv(data)
	case "json":
		return l, l.json(data)
	}
	l.lines(data)
	return l, nil
}

// lines takes one value of each line. A # begins a comment.
func (l *list) lines(data []byte) {
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		value, _, _ := strings.Cut(line, "#")
		if value = strings.TrimSpace(value); value != "" {
			l.entries = append(l.entries, listEntry{value: value, line: number})
		}
	}
}

// csv takes the first column. With more than one, the first line names them,
// and what stands beside a value goes into the findings that it leads to.
func (l *list) csv(data []byte) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = -1, '#', true
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			var at *csv.ParseError
			if errors.As(err, &at) {
				return &yamlat.Problem{File: l.file, Line: at.Line, Col: at.Column, Text: at.Err.Error() + ": put a value that holds commas or quotes in quotes, and double the quotes inside"}
			}
			return fmt.Errorf("read the list %s: %w", l.file, err)
		}
		line, _ := r.FieldPos(0)
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if first && len(row) > 1 {
			if err := l.header(line, row); err != nil {
				return err
			}
			continue
		}
		if len(row) > 1+len(l.columns) {
			return &yamlat.Problem{File: l.file, Line: line, Col: 1, Text: fmt.Sprintf("%d columns, and the first line names %d: name all of them there", len(row), 1+len(l.columns))}
		}
		if row[0] != "" {
			l.entries = append(l.entries, listEntry{value: row[0], line: line, beside: row[1:]})
		}
	}
}

func (l *list) header(line int, row []string) error {
	known := map[string]bool{}
	for i, name := range row {
		if name == "" || known[name] {
			return &yamlat.Problem{File: l.file, Line: line, Col: 1, Text: fmt.Sprintf("column %d of the first line is empty or stands there twice: a list with several columns begins with their names, as in ip,reason,source", i+1)}
		}
		known[name] = true
	}
	l.columns = row[1:]
	return nil
}

// json takes an array of texts, numbers and booleans.
func (l *list) json(data []byte) error {
	docs, err := parseYAML(l.file, data) // JSON is YAML too
	if err != nil {
		return err
	}
	if len(docs) != 1 || docs[0].Kind != yamlat.List {
		return &yamlat.Problem{File: l.file, Line: 1, Col: 1, Text: "a list in JSON is one array of texts"}
	}
	for _, item := range docs[0].Items {
		if !item.Scalar() {
			return item.Problem(l.file, "a list in JSON holds texts: write objects as a .csv with several columns")
		}
		l.entries = append(l.entries, listEntry{value: item.Text, line: item.Line})
	}
	return nil
}
