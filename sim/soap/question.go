// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

const (
	questionID    = "1"
	questionPause = 50 * time.Millisecond
)

var questionHandlers = map[string]handler{"AnswerVM": answerVM}

// answered holds a task while its machine has a question (fault vm-question), until somebody
// answers, the fault ends, or the task is cancelled, which is false.
func (t *tasks) answered(r *running, m *machine) bool {
	text, on := t.switches.get("vm-question")
	if !on {
		return true
	}
	m.ask(text)
	defer m.ask("")
	for on && m.asks() {
		if !r.pause(questionPause) {
			return false
		}
		_, on = t.switches.get("vm-question")
	}
	return true
}

// ask shows a question, or with an empty text takes it away.
func (m *machine) ask(text string) {
	var question *types.VirtualMachineQuestionInfo
	if text != "" {
		question = &types.VirtualMachineQuestionInfo{
			Id: questionID, Text: text,
			Choice: types.ChoiceOption{
				ChoiceInfo:   []types.BaseElementDescription{choice("0", "Yes"), choice("1", "No")},
				DefaultIndex: 1,
			},
		}
	}
	m.mu.Lock()
	m.question = question
	m.mu.Unlock()
	change := types.PropertyChange{Name: "runtime.question"}
	if question != nil {
		change.Val = question
	}
	update(m.vm, change)
}

func choice(key, label string) *types.ElementDescription {
	return &types.ElementDescription{Description: types.Description{Label: label, Summary: label}, Key: key}
}

func (m *machine) asks() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.question != nil
}

func answerVM(c *call) (interface{}, *fault) {
	m := c.inv.machine(c.This)
	if m == nil {
		return nil, notFoundFault(c.This)
	}
	req := c.Body.(*types.AnswerVM)
	if !m.asks() || req.QuestionId != questionID {
		return nil, invalidArgument("questionId")
	}
	if req.AnswerChoice != "0" && req.AnswerChoice != "1" {
		return nil, invalidArgument("answerChoice")
	}
	m.ask("")
	return nil, nil
}
