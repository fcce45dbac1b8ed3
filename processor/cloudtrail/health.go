package cloudtrail

// health turns an AWS Health event in an EventBridge envelope into a record of
// the shape that rules and tables know:
//
//	eventTime, awsRegion, recipientAccountId   time, region and account of the envelope
//	eventSource                                health.amazonaws.com
//	eventName                                  detail.eventTypeCode
//	eventID                                    detail.eventArn, "/", detail.communicationId
//	detail                                     the detail as received
//
// One Health event is told in several messages; the communication id tells
// those apart, so that each becomes a row and a repeated one is a duplicate.
func (d *Decoder) health(p *parts, whole []byte) {
	detail, err := ParseValue(d.raw(p, partDetail))
	if err != nil {
		d.reject(reasonNotJSON, err, whole)
		return
	}
	r := recordWriter{}
	r.member("eventTime", d.raw(p, partTime))
	r.member("eventSource", []byte(`"health.amazonaws.com"`))
	r.member("eventName", detail.Get("eventTypeCode").Raw())
	r.member("awsRegion", d.raw(p, partRegion))
	r.member("eventID", healthID(detail))
	r.member("recipientAccountId", d.raw(p, partAccount))
	r.member("detail", detail.Raw())
	d.inside(append(r.json, '}'), func() { d.healthRecord(whole) })
}

func (d *Decoder) healthRecord(whole []byte) {
	m := d.members()
	e := Event{Raw: d.x.b, m: m}
	if d.x.record(0, m) > maxRecord {
		d.reject(reasonTooLarge, nil, whole)
		d.giveBack(m)
		return
	}
	d.x.complete()
	if reason, err := e.finish(); reason != "" {
		d.reject(reason, err, whole)
		d.giveBack(m)
		return
	}
	e.Kind = Health
	d.accept(e)
}

// healthID joins the two ids, each as it is written inside its quotes.
func healthID(detail *Value) []byte {
	id := []byte{'"'}
	for _, name := range []string{"eventArn", "communicationId"} {
		if raw := detail.Get(name).Raw(); len(raw) > 2 && raw[0] == '"' {
			if len(id) > 1 {
				id = append(id, '/')
			}
			id = append(id, raw[1:len(raw)-1]...)
		}
	}
	return append(id, '"')
}

// recordWriter writes the members of one JSON object.
type recordWriter struct{ json []byte }

// member adds a member; a nil value leaves it out.
func (r *recordWriter) member(name string, value []byte) {
	if value == nil {
		return
	}
	open := byte(',')
	if r.json == nil {
		open = '{'
	}
	r.json = append(append(r.json, open, '"'), name...)
	r.json = append(append(r.json, '"', ':'), value...)
}
