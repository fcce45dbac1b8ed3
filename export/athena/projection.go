package athena

import (
	"strconv"
	"strings"

	"github.com/cairnstream/cairn/export"
)

// partition is one partition column with the properties of its projection,
// see https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
type partition struct {
	name       string
	properties [][2]string // behind "projection.<name>."
}

// partitions are the partition columns of a table, outermost first.
func (o *Options) partitions(t export.Table) []partition {
	switch {
	case t == export.Resources:
		return []partition{{"snapshot", [][2]string{
			{"type", "date"}, {"format", "yyyy-MM-dd'T'HH-mm"}, {"interval", "1"}, {"interval.unit", "HOURS"},
			{"range", o.OldestSnapshot + ",NOW+1HOURS"},
		}}}
	case t == export.Events && o.ByAccount:
		return []partition{o.account(), {"region", enum(o.Regions)}, o.day()}
	}
	return []partition{o.day()}
}

func (o *Options) day() partition {
	return partition{"dt", [][2]string{
		{"type", "date"}, {"format", "yyyy-MM-dd"}, {"interval", "1"}, {"interval.unit", "DAYS"}, {"range", o.From + ",NOW+1DAYS"},
	}}
}

// account lists the accounts while they are few. Many would make every query
// without a filter look into as many folders per day.
func (o *Options) account() partition {
	if n := len(o.Accounts); n == 0 || n > maxEnum {
		return partition{"account", [][2]string{{"type", "injected"}}}
	}
	return partition{"account", enum(o.Accounts)}
}

func enum(values []string) [][2]string {
	return [][2]string{{"type", "enum"}, {"values", strings.Join(values, ",")}}
}

// properties are the table properties, in a fixed order.
func (o *Options) properties(t export.Table, partitions []partition) [][2]string {
	out := [][2]string{{"projection.enabled", "true"}}
	folder := ""
	for _, p := range partitions {
		for _, kv := range p.properties {
			out = append(out, [2]string{"projection." + p.name + "." + kv[0], kv[1]})
		}
		folder += p.name + "=${" + p.name + "}/"
	}
	return append(out,
		[2]string{"storage.location.template", o.LakeURL + "/" + string(t) + "/" + folder},
		[2]string{"cairn.schema", strconv.Itoa(export.SchemaNumber)},
	)
}
