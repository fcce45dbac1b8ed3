package export

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rowGenerator draws rows of any row type: every NULL-able field is NULL,
// empty or full, texts repeat often enough for dictionaries to matter.
func rowGenerator[T any]() *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		var row T
		fillValue(t, reflect.ValueOf(&row).Elem())
		return row
	})
}

var texts = rapid.OneOf(
	rapid.SampledFrom([]string{"", "a", "AccessDenied", "us-east-1", "\x00", "ÿ", `{"a":"b"}`, strings.Repeat("long ", 400)}),
	rapid.StringN(0, 20, -1),
)

func fillValue(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts.Draw(t, "text"))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(t, "int32")))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int64"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "double"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fillValue(t, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(t, v.Field(i))
		}
	case reflect.Slice:
		if n := rapid.IntRange(-1, 3).Draw(t, "items"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fillValue(t, v.Index(i))
			}
		}
	case reflect.Map:
		if n := rapid.IntRange(-1, 3).Draw(t, "items"); n >= 0 {
			m := rapid.MapOfN(texts, texts, n, n).Draw(t, "map")
			v.Set(reflect.ValueOf(m))
		}
	default:
		panic(fmt.Sprintf("no values for %s", v.Type()))
	}
}

// numberRows gives the rows ascending sort keys, so that a roll keeps their
// order and a test can compare row by row.
func numberRows[T any](t testing.TB, table Table, rows []T) {
	t.Helper()
	s, err := specOf(table)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		v := reflect.ValueOf(&rows[i]).Elem()
		for k, name := range s.sort {
			setSortKey(v.FieldByIndex(fieldNamed(v.Type(), name)), i, k == 0)
		}
	}
}

// setSortKey makes the first key of row i ascend in groups of four, so that
// the others decide too.
func setSortKey(v reflect.Value, i int, first bool) {
	n := i
	if first {
		n = i / 4
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setSortKey(v.Elem(), i, first)
	case reflect.String:
		v.SetString(fmt.Sprintf("%06d", n))
	default:
		v.SetInt(int64(n))
	}
}

func fieldNamed(t reflect.Type, column string) []int {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("parquet"), ",")
		if name == column {
			return t.Field(i).Index
		}
	}
	panic("no column " + column)
}

// columnOf is the column name of a top-level struct field on a path, else "".
func columnOf(p cmp.Path, sf cmp.StructField) string {
	parent := p.Index(len(p) - 2).Type()
	if !strings.HasSuffix(parent.Name(), "Row") {
		return ""
	}
	f, _ := parent.FieldByName(sf.Name())
	name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
	return name
}
