// Package resource keeps the inventory: which resources a CloudTrail event changes, and what each of them looks like after any
// set of changes, in whatever order they arrive.
//
// Two halves meet in Change. The catalogue (Catalogue, YAML files under catalogue/) turns an event into changes. The law (Record)
// folds changes into the state of one resource: a set of registers that each keep the greatest version, so that order and
// repetition do not matter. View and ChangeView are what people and the lake read.
//
// The package does no I/O besides reading its embedded catalogue, and reads no clock.
package resource
