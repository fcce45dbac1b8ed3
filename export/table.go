package export

import (
	"fmt"
	"reflect"

	"github.com/cairnstream/cairn/export/rowlog"
)

// Table is the name of one table of the lake; it is also its folder.
type Table string

// The five tables. Their order here is the order of the files of a roll.
const (
	Events    Table = "events"
	Findings  Table = "findings"
	Changes   Table = "resource_changes"
	Resources Table = "resources"
	Progress  Table = "progress"
)

// Tables returns all tables in their fixed order.
func Tables() []Table { return []Table{Events, Findings, Changes, Resources, Progress} }

// SchemaNumber is the version of the columns of every table. A column that is
// added raises it; SCHEMA.md says what else may change.
const SchemaNumber = 1

// CreatedBy is the writer's name in each Parquet file. It names the format and
// not the build, so that a replay with another build gives the same bytes.
const CreatedBy = "cairn format 1"

// spec is what the writer needs to know of a table beyond its columns.
type spec struct {
	table   Table
	id      uint8        // number in the blocks of a row log; never reused
	row     reflect.Type // row struct
	sort    []string     // columns of the total order inside a row group
	bloom   []string     // text columns with a bloom filter, as dotted paths
	noStats []string     // columns whose values are too long for page bounds
}

var specs = [...]spec{
	{
		table: Events, id: 1, row: reflect.TypeFor[EventRow](),
		sort:  []string{"recipientaccountid", "eventtime", "eventid"},
		bloom: []string{"eventid", "useridentity.accesskeyid"},
		noStats: []string{
			"errormessage", "requestparameters", "responseelements", "additionaleventdata", "serviceeventdetails",
			"edgedevicedetails", "insightdetails", "eventcontext", "extra",
			"useridentity.sessioncontext.webidfederationdata.attributes.key_value.value",
		},
	},
	{
		table: Findings, id: 2, row: reflect.TypeFor[FindingRow](),
		sort:    []string{"account_id", "event_ts", "finding_id", "state", "state_reason"},
		bloom:   []string{"finding_id"},
		noStats: []string{"summary", "group_key.key_value.value", "fields.key_value.value"},
	},
	{
		table: Changes, id: 3, row: reflect.TypeFor[ChangeRow](),
		sort:  []string{"resource_key", "version"},
		bloom: []string{"resource_key", "arn"},
		noStats: []string{
			"attributes_set.key_value.value", "attributes_before.key_value.value", "tags_set.key_value.value",
		},
	},
	{
		table: Resources, id: 4, row: reflect.TypeFor[ResourceRow](),
		sort:    []string{"resource_key"},
		bloom:   []string{"resource_key", "arn"},
		noStats: []string{"tags.key_value.value", "attributes.key_value.value"},
	},
	{
		table: Progress, id: 5, row: reflect.TypeFor[ProgressRow](),
		sort: []string{"table_name", "shard", "checkpoint"},
	},
}

func specOf(t Table) (*spec, error) {
	for i := range specs {
		if specs[i].table == t {
			return &specs[i], nil
		}
	}
	return nil, fmt.Errorf("export: no table %q", string(t))
}

func specByID(id uint8) (*spec, error) {
	for i := range specs {
		if specs[i].id == id {
			return &specs[i], nil
		}
	}
	return nil, fmt.Errorf("export: no table number %d", id)
}

// Fields describes the columns of a table in their order.
func (t Table) Fields() ([]rowlog.Field, error) {
	s, err := specOf(t)
	if err != nil {
		return nil, err
	}
	return rowlog.Describe(s.row)
}

// PartitionColumn is the name of the table's partition column, which is a
// folder of the lake and never a column of a file.
func (t Table) PartitionColumn() string {
	if t == Resources {
		return "snapshot"
	}
	return "dt"
}
