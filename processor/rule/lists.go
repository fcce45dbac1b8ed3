package rule

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// maxWild bounds the values with wildcards of one list: each of them is held
// against the event by itself, while plain values are looked up together.
const maxWild = 1000

// listFolder reads the lists of a folder: one value a line in .txt, the first
// column of .csv, an array in .json.
func (l *loader) listFolder(source fs.FS, dir string) {
	entries, err := fs.ReadDir(source, dir)
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("read the lists in %s: %w", dir, err))
		return
	}
	for _, e := range entries {
		name, ext, _ := strings.Cut(e.Name(), ".")
		if e.IsDir() || ext != "txt" && ext != "csv" && ext != "json" {
			continue
		}
		file := path.Join(dir, e.Name())
		values, err := readList(source, file, ext)
		if err == nil && len(values) == 0 {
			l.report.Warnings = append(l.report.Warnings, fmt.Sprintf("%s: the list is empty, so nothing is in it", file))
		}
		if err != nil {
			l.problems = append(l.problems, fmt.Errorf("%s: %w", file, err))
			continue
		}
		if _, fixed := l.override[name]; !fixed {
			l.lists[name] = values
		}
	}
}

func readList(source fs.FS, file, ext string) ([]string, error) {
	data, err := fs.ReadFile(source, file)
	if err != nil {
		return nil, err
	}
	switch ext {
	case "csv":
		return csvList(data)
	case "json":
		return jsonList(file, data)
	}
	var values []string
	for line := range strings.Lines(string(data)) {
		value, _, _ := strings.Cut(line, "#")
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values, nil
}

// csvList is the first column. Lines may have different lengths.
func csvList(data []byte) (values []string, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = -1, '#', true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		if value := strings.TrimSpace(row[0]); value != "" {
			values = append(values, value)
		}
	}
}

// jsonList is an array of texts, numbers and booleans.
func jsonList(file string, data []byte) (values []string, err error) {
	docs, err := parseYAML(file, data) // JSON is YAML too
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || docs[0].kind != nodeList {
		return nil, errors.New("a list in JSON is one array of texts")
	}
	for _, item := range docs[0].items {
		if !item.scalar() {
			return nil, fmt.Errorf("line %d: a list holds texts", item.line)
		}
		values = append(values, item.text)
	}
	return values, nil
}

// wild counts the values that have wildcards.
func wild(values []string) (n int) {
	for _, v := range values {
		if text := unescape(v); strings.IndexByte(text, manyByte) >= 0 || strings.IndexByte(text, anyByte) >= 0 {
			n++
		}
	}
	return n
}
