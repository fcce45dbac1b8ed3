package local

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// CountRows counts Go rows as verify.mjs counts the columns of a file, so that a test can compare what it wrote with what others read.
// The names of columns and which numbers are times come from the `parquet` tags; a nil pointer is NULL, and so is a nil
// slice or map whose tag says optional.
func CountRows[T any](rows []T) Counts {
	counters := map[string]*counter{}
	typ := reflect.TypeFor[T]()
	for i := range typ.NumField() {
		name, options := column(typ.Field(i))
		shape(counters, name, options, typ.Field(i).Type)
	}
	for i := range rows {
		countStruct(counters, "", typ, reflect.ValueOf(&rows[i]).Elem())
	}
	counts := Counts{Rows: int64(len(rows)), Paths: map[string]Count{}}
	for path, c := range counters {
		counts.Paths[path] = c.count()
	}
	return counts
}

// counter collects what one path holds.
type counter struct {
	Count
	distinct map[any]bool
	sum      big.Int
}

func (c *counter) count() Count {
	out := c.Count
	out.Distinct = int64(len(c.distinct))
	switch out.Kind {
	case "string", "integer", "time", "boolean":
		out.Sum = c.sum.String()
	}
	return out
}

// column reads the name and the options of a column from a field's tag.
func column(field reflect.StructField) (name, options string) {
	name, options, _ = strings.Cut(field.Tag.Get("parquet"), ",")
	return name, options
}

func at(counters map[string]*counter, path, kind string) *counter {
	c := counters[path]
	if c == nil {
		c = &counter{Count: Count{Kind: kind, Lengths: map[string]int{}}, distinct: map[any]bool{}}
		counters[path] = c
	}
	return c
}

// countStruct counts the members of a struct; an invalid value stands for a struct that is NULL.
func countStruct(counters map[string]*counter, prefix string, typ reflect.Type, v reflect.Value) {
	for i := range typ.NumField() {
		name, options := column(typ.Field(i))
		var member reflect.Value
		if v.IsValid() {
			member = v.Field(i)
		}
		countValue(counters, prefix+name, options, typ.Field(i).Type, member)
	}
}

// countValue counts one slot of a path and everything below it.
func countValue(counters map[string]*counter, path, options string, typ reflect.Type, v reflect.Value) {
	null := !v.IsValid()
	if typ.Kind() == reflect.Pointer {
		null = null || v.IsNil()
		typ = typ.Elem()
		v = reflect.Indirect(v)
	}
	if kind := typ.Kind(); (kind == reflect.Slice || kind == reflect.Map) && slices.Contains(strings.Split(options, ","), "optional") {
		null = null || v.IsNil()
	}
	if null {
		v = reflect.Value{}
	}
	c := at(counters, path, kindOf(typ, options))
	c.Values++
	if null {
		c.Nulls++
	}
	switch c.Kind {
	case "struct":
		countStruct(counters, path+".", typ, v)
	case "list":
		countItems(counters, c, path, typ, v)
	case "map":
		countEntries(counters, c, path, typ, v)
	default:
		if !null {
			c.add(v)
		}
	}
}

func kindOf(typ reflect.Type, options string) string {
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Int32, reflect.Int64:
		if strings.Contains(options, "timestamp") {
			return "time"
		}
		return "integer"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "double"
	case reflect.Struct:
		return "struct"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	}
	panic(fmt.Sprintf("no way to count a column of type %v", typ))
}

func (c *counter) add(v reflect.Value) {
	c.distinct[v.Interface()] = true
	switch c.Kind {
	case "string":
		if v.Len() == 0 {
			c.Empty++
		}
		c.sum.Add(&c.sum, big.NewInt(int64(v.Len())))
	case "integer", "time":
		c.sum.Add(&c.sum, big.NewInt(v.Int()))
	case "boolean":
		if v.Bool() {
			c.sum.Add(&c.sum, big.NewInt(1))
		}
	}
}

func (c *counter) addLength(v reflect.Value) {
	if v.IsValid() {
		c.Lengths[fmt.Sprint(v.Len())]++
	}
}

func countItems(counters map[string]*counter, c *counter, path string, typ reflect.Type, v reflect.Value) {
	c.addLength(v)
	shape(counters, path+".element", "", typ.Elem())
	if v.IsValid() {
		for i := range v.Len() {
			countValue(counters, path+".element", "", typ.Elem(), v.Index(i))
		}
	}
}

func countEntries(counters map[string]*counter, c *counter, path string, typ reflect.Type, v reflect.Value) {
	c.addLength(v)
	shape(counters, path+".key", "", typ.Key())
	shape(counters, path+".value", "", typ.Elem())
	if !v.IsValid() {
		return
	}
	for entry := v.MapRange(); entry.Next(); {
		countValue(counters, path+".key", "", typ.Key(), entry.Key())
		countValue(counters, path+".value", "", typ.Elem(), entry.Value())
	}
}

// shape makes the counters of a path and of all below it, so that they stand there with zeros when there is no row, or no list has
// an item.
func shape(counters map[string]*counter, path, options string, typ reflect.Type) {
	if counters[path] != nil {
		return
	}
	below := map[string]*counter{}
	countValue(below, path, options, typ, reflect.Value{})
	for p, c := range below {
		counters[p] = &counter{Count: Count{Kind: c.Kind, Lengths: map[string]int{}}, distinct: map[any]bool{}}
	}
}

// Sum adds up what one reader says about several files of a table, without the counts of distinct values, which do not add up.
func Sum(files []Counts) Counts {
	total := Counts{Paths: map[string]Count{}}
	for _, file := range files {
		total.Rows += file.Rows
		for path, c := range file.Paths {
			total.Paths[path] = total.Paths[path].plus(c)
		}
	}
	return total
}

func (c Count) plus(d Count) Count {
	out := Count{Kind: d.Kind, Values: c.Values + d.Values, Nulls: c.Nulls + d.Nulls, Empty: c.Empty + d.Empty, Sum: addText(c.Sum, d.Sum), Lengths: maps.Clone(d.Lengths)}
	for length, n := range c.Lengths {
		out.Lengths[length] += n
	}
	return out
}

// addText adds two whole numbers; "" is what a column without a sum has.
func addText(a, b string) string {
	x, okX := new(big.Int).SetString(a, 10)
	y, okY := new(big.Int).SetString(b, 10)
	switch {
	case okX && okY:
		return x.Add(x, y).String()
	case okX:
		return a
	}
	return b
}
