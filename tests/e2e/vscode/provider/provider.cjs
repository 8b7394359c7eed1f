// An extension that brings VS Code a language model: the scripted one, by way of its own HTTP.
const vscode = require('vscode');

const model = {
  id: 'scripted', name: 'Scripted', family: 'scripted', version: '1', maxInputTokens: 32768, maxOutputTokens: 4096,
  capabilities: {}, isUserSelectable: true,
};
const textOf = ({ content }) => content.map((part) => part.value ?? '').join('');

exports.activate = (context) => {
  context.subscriptions.push(vscode.lm.registerLanguageModelChatProvider('e2e', {
    provideLanguageModelChatInformation: () => [model],
    provideTokenCount: (_, text) => Math.ceil((typeof text === 'string' ? text : textOf(text)).length / 4),
    async provideLanguageModelChatResponse(_, messages, __, progress) {
      const body = JSON.stringify({ messages: messages.map((message) => ({ content: textOf(message) })) });
      const reply = await fetch(`${process.env.ML_COACH_E2E_MODEL}/chat/completions`, { method: 'POST', body });
      for (const line of (await reply.text()).split('\n')) {
        if (!line.startsWith('data: {')) continue;
        const text = JSON.parse(line.slice(6)).choices[0]?.delta.content;
        if (text !== undefined) progress.report(new vscode.LanguageModelTextPart(text));
      }
    },
  }));
};
