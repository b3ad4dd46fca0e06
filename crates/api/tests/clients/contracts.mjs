// Reads docs/asyncapi.yaml and docs/schemas with the parsers that their own users have. Ends with 1 and the complaints if there are any.
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Parser, fromFile } from '@asyncapi/parser';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const docs = fileURLToPath(new URL('../../../../docs/', import.meta.url));
const complaints = [];

// Errors and warnings; what else a parser has to say is advice.
const { document, diagnostics } = await fromFile(new Parser(), `${docs}asyncapi.yaml`).parse();
for (const { code, message, path, severity } of diagnostics) {
    if (severity <= 1) complaints.push(`asyncapi.yaml: ${path.join('.')}: ${message} (${code})`);
}
const channels = document?.channels().all().length ?? 0;
if (channels === 0) complaints.push('asyncapi.yaml: the parser finds no channel');

const ajv = new Ajv2020({ strict: true, allErrors: true });
addFormats.default(ajv);
const files = readdirSync(`${docs}schemas`).filter(name => name.endsWith('.json'));
const schemas = files.map(name => [name, JSON.parse(readFileSync(`${docs}schemas/${name}`, 'utf8'))]);
for (const [name, schema] of schemas) ajv.addSchema(schema, schema.$id ?? name);
for (const [name, schema] of schemas) {
    try {
        const validate = ajv.getSchema(schema.$id ?? name);
        for (const example of schema.examples ?? []) {
            if (!validate(example)) complaints.push(`${name}: its example is refused: ${ajv.errorsText(validate.errors)}`);
        }
        if (name !== 'envelope.json' && validate({})) complaints.push(`${name}: takes an empty object`);
    } catch (error) {
        complaints.push(`${name}: ${error.message}`);
    }
}

for (const complaint of complaints) console.error(complaint);
if (complaints.length > 0) process.exit(1);
console.log(`asyncapi.yaml with ${channels} channels and ${files.length} schemas are valid`);
