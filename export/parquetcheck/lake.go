package parquetcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// partitionPattern is the folder of one value of a partition column, as Hive names it.
var partitionPattern = regexp.MustCompile(`^[a-z_]+=[A-Za-z0-9_.-]+$`)

// CheckLake checks every Parquet file of the lake in the folder dir and returns the number of files with all violations joined,
// each with its file's path below dir. Folders whose name begins with an underscore are not tables and are passed over. A file in
// the folder of no table, or outside a partition, is a violation too.
func CheckLake(dir string) (files int, err error) {
	var found []error
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), "_") && path != dir {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".parquet") {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files++
		for _, err := range checkLakeFile(path, filepath.ToSlash(name)) {
			found = append(found, fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
	return files, errors.Join(append(found, err)...)
}

func checkLakeFile(path, name string) []error {
	parts := strings.Split(name, "/")
	tables := Tables()
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == parts[0] })
	if i < 0 || len(parts) < 3 {
		return []error{&Violation{Rule: "lake", Message: "not in a partition of a table"}}
	}
	var found []error
	for _, folder := range parts[1 : len(parts)-1] {
		if !partitionPattern.MatchString(folder) {
			found = append(found, &Violation{Rule: "lake", Message: fmt.Sprintf("folder %q is no partition", folder)})
		}
	}
	return append(found, CheckFile(path, tables[i])...)
}

// CheckFile is Check for a file on disk.
func CheckFile(path string, table Table) []error {
	file, err := os.Open(path)
	if err != nil {
		return []error{err}
	}
	defer file.Close() // only read
	info, err := file.Stat()
	if err != nil {
		return []error{err}
	}
	return Check(file, info.Size(), table)
}
