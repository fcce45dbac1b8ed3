package cloudtrail

import (
	"errors"
	"strings"
)

// part is a member by which an envelope is known, or that it carries.
type part uint8

const (
	partNone part = iota
	partEventTime
	partList
	partDetailType
	partDetail
	partTime
	partAccount
	partRegion
	partMessageType
	partLogMessage
	partType
	partMessage
	partBody
	partSNS
	partKinesis
	partData
	partDigestStart
	partDigestEnd
	partObjectKey
	partTestEvent
	numParts
)

// partOf names the part that a member of an object is.
func partOf(name []byte) part {
	switch string(name) {
	case "Records", "records", "logEvents", "Messages":
		return partList
	case "eventTime":
		return partEventTime
	case "detail-type":
		return partDetailType
	case "detail":
		return partDetail
	case "time":
		return partTime
	case "account":
		return partAccount
	case "region":
		return partRegion
	case "messageType":
		return partMessageType
	case "message":
		return partLogMessage
	case "Type":
		return partType
	case "Message":
		return partMessage
	case "Body", "body":
		return partBody
	case "Sns":
		return partSNS
	case "kinesis":
		return partKinesis
	case "data":
		return partData
	case "digestStartTime":
		return partDigestStart
	case "digestEndTime":
		return partDigestEnd
	case "s3ObjectKey":
		return partObjectKey
	case "Event":
		return partTestEvent
	}
	return partNone
}

// parts are the values of those members of one object, by position.
type parts struct {
	at, end [numParts]int
	flags   [numParts]uint8 // what the scanner met in them
	next    int             // behind the object; 0 when it is broken
}

func (p *parts) has(k part) bool { return p.end[k] > 0 }

// partsOf looks through the top level of the object at i. Of a broken object it
// tells what stands before the break.
func (d *Decoder) partsOf(i int) (p parts) {
	b := d.x.b
	i = d.x.space(i + 1)
	if i < len(b) && b[i] == '}' {
		p.next = i + 1
		return p
	}
	for {
		quote, value, _ := d.x.name(i)
		if value < 0 {
			return p
		}
		d.x.flags = 0
		end := d.x.value(value, 1)
		if end < 0 {
			return p
		}
		k := partOf(b[i+1 : quote])
		p.at[k], p.end[k], p.flags[k] = value, end, d.x.flags
		i = d.x.space(end)
		switch {
		case i < len(b) && b[i] == ',':
			i = d.x.space(i + 1)
		case i < len(b) && b[i] == '}':
			p.next = i + 1
			return p
		default:
			return p
		}
	}
}

// text returns a part that is a string, else nil.
func (d *Decoder) text(p *parts, k part) []byte {
	if !d.begins(p, k, '"') {
		return nil
	}
	return d.unquote(p.at[k], p.end[k], p.flags[k])
}

// raw returns a part as it is written, nil when absent.
func (d *Decoder) raw(p *parts, k part) []byte {
	if !p.has(k) {
		return nil
	}
	return d.x.b[p.at[k]:p.end[k]]
}

// begins tells whether a part begins with that byte: '{' is an object.
func (d *Decoder) begins(p *parts, k part, c byte) bool { return p.has(k) && d.x.b[p.at[k]] == c }

// envelope decodes the object at i if it is an envelope or a message of the
// services on the way. What has an eventTime is a record and no envelope.
func (d *Decoder) envelope(i, depth int) (end int, done bool) {
	p := d.partsOf(i)
	if p.next == 0 || p.has(partEventTime) && !d.begins(&p, partEventTime, 'n') {
		return 0, false
	}
	if depth >= maxLayers {
		d.reject(reasonTooDeep, nil, d.x.b[i:p.next])
		return p.next, true
	}
	whole := d.x.b[i:p.next:p.next]
	switch kind := string(d.text(&p, partType)); {
	case string(d.text(&p, partMessageType)) == "CONTROL_MESSAGE", // CloudWatch Logs tries the way out
		p.has(partDigestStart) && p.has(partDigestEnd),                        // CloudTrail signs its files
		kind == "SubscriptionConfirmation", kind == "UnsubscribeConfirmation", // SNS
		string(d.text(&p, partTestEvent)) == "s3:TestEvent":
		d.control()
	case d.begins(&p, partList, '['), d.begins(&p, partList, 'n'):
		return d.container(i, depth), true
	case p.has(partDetailType):
		d.eventBridge(&p, whole, depth)
	case p.has(partObjectKey):
		d.reject(reasonNotification, errNotification, whole)
	default:
		return p.next, d.carried(&p, depth)
	}
	return p.next, true
}

// objectParts and textParts carry a record, or another envelope.
var (
	objectParts = [...]part{partSNS, partKinesis}
	textParts   = [...]part{partLogMessage, partMessage, partBody, partData}
)

// carried decodes what an envelope carries as an object or as text.
func (d *Decoder) carried(p *parts, depth int) bool {
	for _, k := range objectParts {
		if d.begins(p, k, '{') {
			d.object(p.at[k], depth+1)
			return true
		}
	}
	for _, k := range textParts {
		if text := d.text(p, k); holdsMore(text) {
			d.layer(text, depth+1, false)
			return true
		}
	}
	return false
}

// carries tells whether there is something for carried to decode.
func (d *Decoder) carries(p *parts) bool {
	for _, k := range objectParts {
		if d.begins(p, k, '{') {
			return true
		}
	}
	for _, k := range textParts {
		if holdsMore(d.text(p, k)) {
			return true
		}
	}
	return false
}

var errNotification = errors.New("it tells where a file is, not what is in it: cairn forward reads the file")

// eventBridge decodes the detail of an EventBridge event.
func (d *Decoder) eventBridge(p *parts, whole []byte, depth int) {
	switch kind := string(d.text(p, partDetailType)); {
	case strings.HasSuffix(kind, " via CloudTrail") && d.begins(p, partDetail, '{'):
		d.object(p.at[partDetail], depth+1)
	case kind == "AWS Health Event" && d.begins(p, partDetail, '{'):
		d.health(p, whole)
	case kind == "Object Created":
		d.reject(reasonNotification, errNotification, whole)
	default:
		d.reject(reasonNotCloudTrail, nil, whole)
	}
}
